"""From levers to running servers: what to start, what cannot work, where it runs, and what it counts."""

from frontier.serving.attached import Reported, ask, attached, contradictions, key_of
from frontier.serving.cores import Cores, allocate, physical, usable
from frontier.serving.devices import DEVICES, check_devices, held_devices, nvml_indices, usable_devices
from frontier.serving.nodes import node_names
from frontier.serving.refusals import CheckpointFacts, checkpoint_facts, refusals
from frontier.serving.running import Running, launch
from frontier.serving.scraping import acceptance_length, counters, difference
from frontier.serving.spec import DeploymentSpec, ServerSpec, command_line
from frontier.serving.vllm import VllmKnobs, VllmLevers, deployment, devices

__all__ = [
    "DEVICES",
    "CheckpointFacts",
    "Cores",
    "DeploymentSpec",
    "Reported",
    "Running",
    "ServerSpec",
    "VllmKnobs",
    "VllmLevers",
    "acceptance_length",
    "allocate",
    "ask",
    "attached",
    "check_devices",
    "checkpoint_facts",
    "command_line",
    "contradictions",
    "counters",
    "deployment",
    "devices",
    "difference",
    "held_devices",
    "key_of",
    "launch",
    "node_names",
    "nvml_indices",
    "physical",
    "refusals",
    "usable",
    "usable_devices",
]
