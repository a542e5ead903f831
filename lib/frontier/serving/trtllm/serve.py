"""What is started for a variant on TensorRT-LLM: workers, their files, the front end of a disaggregated deployment, devices and environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import yaml

from frontier.serving.spec import BIN, FOLDER, PORT, DeploymentSpec, ServerSpec
from frontier.serving.trtllm.levers import Layout, TrtllmKnobs, TrtllmLevers
from frontier.serving.trtllm.worker import front_document, layouts, worker_document

FORCED = "TLLM_SPEC_DECODE_FORCE_NUM_ACCEPTED_TOKENS"  # mean drafts that count as accepted, whatever the model says
START_TIMEOUT_S = 1800


def trtllm_deployment(levers: TrtllmLevers, knobs: TrtllmKnobs) -> DeploymentSpec:
    """What runs for these levers.

    Raises
    ------
    ConfigError
        If a file cannot be written as asked; see `frontier.serving.trtllm.worker.worker_document`.
    """
    servers, first = [], 0
    for role, (layout, count) in layouts(levers, knobs).items():
        document = worker_document(levers, knobs, role)
        for number in range(count):
            name = role if role == "server" else f"{role}{number}"
            servers.append(_worker(name, role, layout, first, document, levers, knobs))
            first += layout.gpus
    router = _front(levers, knobs) if levers.disaggregated else None
    return DeploymentSpec(tuple(servers), router, first, "cuda", served_name(knobs))


def served_name(knobs: TrtllmKnobs) -> str:
    """What the server calls the model: its folder's name, or its id."""
    return PurePath(knobs.model).name if knobs.model.startswith(("/", ".", "~")) else knobs.model


def _worker(
    name: str, role: str, layout: Layout, first: int, document: Mapping[str, Any], levers: TrtllmLevers, knobs: TrtllmKnobs
) -> ServerSpec:
    file = f"{name}.yaml"
    command = [f"{BIN}/trtllm-serve", knobs.model, "--host", "127.0.0.1", "--port", PORT, "--extra_llm_api_options", f"{FOLDER}/{file}"]
    if role != "server":
        command += ["--server_role", {"prefill": "CONTEXT", "decode": "GENERATION"}[role]]
    env = {}
    if layout.gpus > knobs.gpus_per_node:
        nodes = -(-layout.gpus // knobs.gpus_per_node)
        spread = ["--nodes", str(nodes), "--ntasks", str(layout.gpus), "--ntasks-per-node", str(min(layout.gpus, knobs.gpus_per_node))]
        command = [*knobs.launcher, *spread, "trtllm-llmapi-launch", *command]
    else:
        place = [(first + at) % knobs.gpus_per_node for at in range(layout.gpus)]
        env["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, place))
    if levers.draft_len and knobs.forced_acceptance is not None:
        env[FORCED] = f"{knobs.forced_acceptance:g}"
    return ServerSpec(name, tuple(command), env, (), role, files={file: as_yaml(document)})


def _front(levers: TrtllmLevers, knobs: TrtllmKnobs) -> ServerSpec:
    command = (f"{BIN}/trtllm-serve", "disaggregated", "-c", f"{FOLDER}/front.yaml", "-t", str(START_TIMEOUT_S), "-r", str(START_TIMEOUT_S))
    return ServerSpec("router", command, {}, (), "router", files={"front.yaml": as_yaml(front_document(levers, knobs))})


def as_yaml(document: Mapping[str, Any]) -> str:
    """The file's text; the port is left open as a number, not as a text."""
    return str(yaml.safe_dump(dict(document), sort_keys=False, default_flow_style=False)).replace(f"'{PORT}'", PORT)
