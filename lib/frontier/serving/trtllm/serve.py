"""What is started for a variant on TensorRT-LLM: workers, their files, the front end of a disaggregated deployment, devices and environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import yaml

from frontier.serving.spec import ANYWHERE, BIN, FOLDER, HERE, NODES, PORT, DeploymentSpec, ServerSpec
from frontier.serving.trtllm.levers import Layout, TrtllmKnobs, TrtllmLevers
from frontier.serving.trtllm.worker import front_document, layouts, spans_nodes, worker_document

FORCED = "TLLM_SPEC_DECODE_FORCE_NUM_ACCEPTED_TOKENS"  # mean drafts that count as accepted, whatever the model says
START_TIMEOUT_S = 1800


def trtllm_deployment(levers: TrtllmLevers, knobs: TrtllmKnobs) -> DeploymentSpec:
    """What runs for these levers.

    Raises
    ------
    ConfigError
        If a file cannot be written as asked; see `frontier.serving.trtllm.worker.worker_document`.
    """
    servers, first, held = [], 0, 0
    spans = spans_nodes(levers, knobs)
    for role, (layout, count) in layouts(levers, knobs).items():
        document = worker_document(levers, knobs, role)
        for number in range(count):
            name = role if role == "server" else f"{role}{number}"
            if first % knobs.gpus_per_node + layout.gpus > knobs.gpus_per_node:
                first += -first % knobs.gpus_per_node  # a worker begins on a node of its own rather than to lie across a border
            servers.append(_worker(name, role, layout, first, document, levers, knobs, spans))
            first += layout.gpus
            held += layout.gpus
    router = _front(levers, knobs) if levers.disaggregated else None
    return DeploymentSpec(tuple(servers), router, held, "cuda", served_name(knobs))


def served_name(knobs: TrtllmKnobs) -> str:
    """What the server calls the model: its folder's name, or its id."""
    return PurePath(knobs.model).name if knobs.model.startswith(("/", ".", "~")) else knobs.model


def _worker(
    name: str, role: str, layout: Layout, first: int, document: Mapping[str, Any], levers: TrtllmLevers, knobs: TrtllmKnobs, spans: bool
) -> ServerSpec:
    file, node_gpus = f"{name}.yaml", knobs.gpus_per_node
    host = ANYWHERE if spans else HERE
    command = [f"{BIN}/trtllm-serve", knobs.model, "--host", host, "--port", PORT, "--extra_llm_api_options", f"{FOLDER}/{file}"]
    if role != "server":
        command += ["--server_role", {"prefill": "CONTEXT", "decode": "GENERATION"}[role]]
    nodes = tuple(range(first // node_gpus, -(-(first + layout.gpus) // node_gpus))) if spans else ()
    if spans:
        spread = ["--nodes", str(len(nodes)), "--ntasks", str(layout.gpus), "--ntasks-per-node", str(min(layout.gpus, node_gpus))]
        command = [*knobs.launcher, *spread, "--nodelist", NODES, f"{BIN}/trtllm-llmapi-launch", *command]
    env = {}
    if len(nodes) < 2:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(str((first + at) % node_gpus) for at in range(layout.gpus))
    if levers.draft_len and knobs.forced_acceptance is not None:
        env[FORCED] = f"{knobs.forced_acceptance:g}"
    return ServerSpec(name, tuple(command), env, (), role, files={file: as_yaml(document)}, nodes=nodes)


def _front(levers: TrtllmLevers, knobs: TrtllmKnobs) -> ServerSpec:
    command = (f"{BIN}/trtllm-serve", "disaggregated", "-c", f"{FOLDER}/front.yaml", "-t", str(START_TIMEOUT_S), "-r", str(START_TIMEOUT_S))
    return ServerSpec("router", command, {}, (), "router", files={"front.yaml": as_yaml(front_document(levers, knobs))})


def as_yaml(document: Mapping[str, Any]) -> str:
    """The file's text; the port is left open as a number, not as a text."""
    return str(yaml.safe_dump(dict(document), sort_keys=False, default_flow_style=False)).replace(f"'{PORT}'", PORT)
