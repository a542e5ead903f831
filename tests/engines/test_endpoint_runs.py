"""Servers that somebody else runs: stand-ins started by the test, attached to by the kit, and still running afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from standin_tools import CLIENT, TOKENIZER

ROOT = Path(__file__).parents[2]
STANDIN = ROOT / "tests" / "standin"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Two stand-ins, the second twice as fast; by variant."""
    children, urls = [], {}
    for name, step_ms in (("baseline", "4"), ("precision", "2")):
        file = tmp_path / f"{name}.port"
        words = ["--port", "0", "--port-file", str(file), "--model", "served/model", "--ttft-ms", "4", "--tpot-ms", step_ms]
        children.append(subprocess.Popen([sys.executable, str(STANDIN / "standin_server.py"), *words]))
        until = time.monotonic() + 20
        while not (file.exists() and file.read_text().strip()):
            assert time.monotonic() < until, "the stand-in did not start"
            time.sleep(0.05)
        urls[name] = f"http://127.0.0.1:{file.read_text().strip()}"
    yield urls
    assert all(child.poll() is None for child in children), "what the kit did not start it does not end"
    for child in children:
        child.kill()
        child.wait()


@pytest.fixture
def overrides(servers: dict[str, str], tmp_path: Path) -> list[str]:
    model = tmp_path / "model"
    model.mkdir()
    (model / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    (model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    client = tmp_path / "client-python"
    client.write_text(CLIENT.format(python=sys.executable, standin=STANDIN / "standin_client.py"))
    client.chmod(0o755)
    return [
        "engine=endpoint", f"engine.url={servers['baseline']}", f"engine.urls={{precision: '{servers['precision']}/v1'}}", "engine.gpus=8",
        f"engine.client_python={client}", f"model.checkpoint={model}", "lever=[precision]", "lever.precision.mode=forced",
        "lever.precision.baseline=[bf16]", "lever.precision.target=[fp8]", "workload.isl_tokens=16", "workload.osl_tokens=8",
        "sweep.concurrencies=[1,4]", "sweep.warmup_s=0.2", "sweep.settle_s=0.2", "sweep.window_s=0.5", "sweep.max_point_s=0.7",
        f"paths.artifacts_dir={tmp_path / 'artifacts'}",
    ]  # fmt: skip


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "frontier.cli", "run", "experiment=smoke", *words, "--json", "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **env})


def test_two_running_servers_are_compared(overrides: list[str]) -> None:
    done = run(*overrides)
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads(done.stdout)["path"])
    points = pd.read_parquet(folder / "points.parquet")
    assert set(points["variant"]) == {"baseline", "precision"}
    assert set(points["gpus"]) == {8}
    assert points["flags"].str.contains("same_launch").all()
    best = points.groupby("variant")["interactivity_tok_s_user"].max()
    assert best["precision"] > 1.5 * best["baseline"]


def test_a_key_goes_into_requests_and_into_no_file(overrides: list[str], tmp_path: Path) -> None:
    done = run(*overrides, "engine.key_env=MY_KEY", MY_KEY="sk-secret-0123456789")
    assert done.returncode == 0, done.stderr
    holding = [file for file in (tmp_path / "artifacts").rglob("*") if file.is_file() and b"sk-secret-0123456789" in file.read_bytes()]
    assert holding == []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["engine.key_env=NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE is not set"),
        (["engine.served_name=other"], "does not serve other"),
        (["engine.url=http://127.0.0.1:9"], "no OpenAI-compatible server at http://127.0.0.1:9"),
        (["engine.urls={}"], "no server is named for it: engine.urls.precision"),
        (["workload.osl_tokens=900000"], "the workload needs 900016 tokens"),
    ],
)
def test_what_cannot_be_attached_is_said(overrides: list[str], more: list[str], says: str, tmp_path: Path) -> None:
    kept = [word for word in overrides if word.split("=")[0] not in {extra.split("=")[0] for extra in more}]
    done = run(*kept, *more)
    logs = " ".join(file.read_text() for file in (tmp_path / "artifacts").rglob("*") if file.suffix in (".txt", ".json"))
    assert says in done.stderr + logs
