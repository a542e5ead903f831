"""A stand-in for ``trtllm-serve``: its command line, its strictness about files, its readiness; what answers is the stand-in server.

    trtllm-serve MODEL --host 127.0.0.1 --port 8000 --extra_llm_api_options worker.yaml [--server_role CONTEXT]
    trtllm-serve disaggregated -c front.yaml

A key that the contract's schema refuses stops it, as the engine would stop; where the schema is not on the machine, the kit's own check does. Steps
take less time over more ranks and with drafts, by a closed form. ``standin.json`` in MODEL's folder, or in the folder named by ``STANDIN_TRTLLM``,
gives further options of the stand-in server by role: {"server": ["--crash-after", "40"]}.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
CONTRACT = HERE.parents[2] / "shared" / "reference" / "trtllm"
ROLES = {None: "server", "CONTEXT": "prefill", "GENERATION": "decode"}
STEP_MS = 8.0


def strings(node: Any) -> Any:
    if isinstance(node, dict):
        return {str(key): strings(value) for key, value in node.items()}
    return [strings(value) for value in node] if isinstance(node, list) else node


def refuse(document: dict[str, Any], schema: str) -> None:
    """End as the engine ends when a file has a key that it does not know."""
    if (CONTRACT / schema).exists():
        from jsonschema import Draft202012Validator

        errors = Draft202012Validator(json.loads((CONTRACT / schema).read_text())).iter_errors(strings(document))
        found = [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]
    else:
        from frontier.serving.trtllm import Release, front_problems, worker_problems

        found = front_problems(document) if "disagg" in schema else worker_problems(document, Release.parse("1.3.0"))
    if found:
        sys.stderr.write(f"pydantic_core._pydantic_core.ValidationError: {len(found)} validation errors for TorchLlmArgs\n" + "\n".join(found) + "\n")
        raise SystemExit(1)


def worker(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="trtllm-serve")
    parser.add_argument("model")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", default="8000")
    parser.add_argument("--extra_llm_api_options", "--config", type=Path, required=True)
    parser.add_argument("--server_role", choices=["CONTEXT", "GENERATION"])
    given = parser.parse_args(argv)
    document = yaml.safe_load(given.extra_llm_api_options.read_text())
    refuse(document, "torch_llm_args.schema.json")
    if not Path(given.model).is_dir():
        sys.stderr.write(f"OSError: {given.model} is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'\n")
        raise SystemExit(1)
    role = ROLES[given.server_role]
    drafts = document.get("speculative_config") or {}
    length = drafts.get("max_draft_len", drafts.get("num_nextn_predict_layers", 0))
    step = STEP_MS / document["tensor_parallel_size"] ** 0.5 / (1 + 0.5 * length)
    options = [
        "--host", given.host, "--port", given.port, "--model", Path(given.model).name, "--ttft-ms", "4", "--tpot-ms", f"{step:.3f}",
        "--tpot-per-running-ms", f"{step / 20:.3f}", "--slots", str(document["max_batch_size"]), "--seed", str(os.getpid()), "--jitter", "0.02",
        "--version", os.environ.get("STANDIN_RELEASE", "1.2.1"),
    ]  # fmt: skip
    options += ["--draft-len", str(length)] if length else []
    file = Path(os.environ.get("STANDIN_TRTLLM", given.model)) / "standin.json"
    options += json.loads(file.read_text()).get(role, []) if file.exists() else []
    os.execv(sys.executable, [sys.executable, str(HERE / "standin_server.py"), *options])


def front(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="trtllm-serve disaggregated")
    parser.add_argument("-c", "--config_file", type=Path, required=True)
    parser.add_argument("-t", "--server_start_timeout", type=float, default=180)
    parser.add_argument("-r", "--request_timeout", type=float, default=180)
    given = parser.parse_args(argv)
    document = yaml.safe_load(given.config_file.read_text())
    refuse(document, "disagg_server.schema.json")
    urls = {role: [f"http://{url}" for url in document[f"{role}_servers"]["urls"]] for role in ("context", "generation")}
    until = time.monotonic() + given.server_start_timeout
    for url in (*urls["context"], *urls["generation"]):
        while not healthy(url):
            if time.monotonic() > until:
                sys.stderr.write(f"TimeoutError: {url} is not ready\n")
                raise SystemExit(1)
            time.sleep(0.1)
    asyncio.run(forward(document["hostname"], document["port"], document["generation_servers"]["urls"]))


async def forward(host: str, port: int, urls: list[str]) -> None:
    """Connections go to the generation workers in turn; what the context workers would have computed is in those workers' own time."""
    turns = itertools.cycle(urls)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name, _, number = next(turns).partition(":")
        try:
            there, back = await asyncio.open_connection(name, int(number))
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, back), copy(there, writer))

    server = await asyncio.start_server(connection, host, port)
    async with server:
        await server.serve_forever()


def healthy(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/health", timeout=2):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    front(sys.argv[2:]) if sys.argv[1:2] == ["disaggregated"] else worker(sys.argv[1:])
