"""From levers to running servers: what to start, what cannot work, where it runs, and what it counts."""

from frontier.serving.cores import Cores, allocate, usable
from frontier.serving.refusals import CheckpointFacts, checkpoint_facts, refusals
from frontier.serving.running import Running, launch
from frontier.serving.scraping import acceptance_length, counters, difference
from frontier.serving.spec import DeploymentSpec, ServerSpec
from frontier.serving.vllm import VllmKnobs, VllmLevers, deployment, devices

__all__ = [
    "CheckpointFacts",
    "Cores",
    "DeploymentSpec",
    "Running",
    "ServerSpec",
    "VllmKnobs",
    "VllmLevers",
    "acceptance_length",
    "allocate",
    "checkpoint_facts",
    "counters",
    "deployment",
    "devices",
    "difference",
    "launch",
    "refusals",
    "usable",
]
