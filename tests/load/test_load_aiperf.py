"""The client: its export read back, its configuration, its faults; a slow test runs aiperf 0.13 against the stand-in server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frontier.errors import MachineError, RunError, UsageError
from frontier.load.aiperf import Aiperf, cpu_share
from frontier.load.aiperf_export import REQUESTS, lines, read_rows, read_summary
from frontier.load.cross_check import cross_check
from frontier.load.metrics import window_metrics
from frontier.load.plan import Load, configuration
from frontier.load.requests import read_requests
from frontier.load.steady import find_steady

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "aiperf"  # made by aiperf 0.13.0 itself, see make_export.py there
STANDIN = ROOT / "tests" / "standin" / "standin_server.py"
PHASES: dict[str, tuple[int, int | None]] = {"warmup": (2, None), "cell0_c1": (1, 0), "cell1_c2": (2, 1)}


@pytest.fixture
def load(tmp_path: Path, tokenizer_folder: Path) -> Load:
    return Load(("http://127.0.0.1:1",), "m", tokenizer_folder, 16, 8, (1, 2), warmup_requests=2, settle_s=0.5, window_s=1.0, prompts=40, max_s=90.0)


def test_requests_of_an_export() -> None:
    table = read_rows(GOLDEN / REQUESTS, PHASES)
    raw = [json.loads(line) for line in (GOLDEN / REQUESTS).read_text().splitlines()]
    assert len(table) == len(raw)
    assert list(table["request"]) == list(range(len(raw)))
    assert (table["phase"] == "warmup").sum() == sum(line["metadata"]["benchmark_phase"] == "warmup" for line in raw)
    assert table["error"].notna().sum() == sum(line.get("error") is not None for line in raw) > 0
    assert table["error"].dropna().str.startswith("500").all()
    first = min((line for line in raw if line["metrics"]), key=lambda line: int(line["metadata"]["credit_issued_ns"]))
    row = table[table["start_ns"] == first["metadata"]["request_start_ns"]].iloc[0]
    assert (row["first_token_ns"] - row["start_ns"]) / 1e6 == pytest.approx(first["metrics"]["time_to_first_token"]["value"], abs=1e-6)
    assert (row["end_ns"] - row["start_ns"]) / 1e6 == pytest.approx(first["metrics"]["request_latency"]["value"], abs=1e-6)
    assert np.diff(row["chunk_ns"]) / 1e6 == pytest.approx(first["metrics"]["inter_chunk_latency"]["value"], abs=1e-5)
    assert (row["input_tokens"], row["output_tokens"], row["chunks"]) == (first["metrics"]["usage_prompt_tokens"]["value"], 8, 8)
    assert first["metadata"]["conversation_id"].endswith(row["prompt_sha8"])
    assert row["chunk_ns"][-1] == row["end_ns"]


@pytest.mark.parametrize(("number", "name"), [(0, "cell0_c1"), (1, "cell1_c2")])
def test_the_clients_summary_agrees_with_its_requests(number: int, name: str) -> None:
    table = read_rows(GOLDEN / REQUESTS, PHASES)
    summary = read_summary(GOLDEN, name)
    assert {"requests", "failed_requests", "median_tpot_s", "p99_e2el_s", "output_tput_tok_s", "median_itl_s"} <= set(summary)
    cell = table[(table["cell"] == number).fillna(False)]
    assert cross_check(cell, summary) == []
    assert [found.metric for found in cross_check(cell.iloc[:-1], summary)][:1] == ["requests"]


def test_a_summary_that_is_not_there_or_broken(tmp_path: Path) -> None:
    assert read_summary(tmp_path, "cell0_c1") == {}
    path = tmp_path / "phases" / "cell0_c1" / "profile_export_aiperf.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(RunError, match="summary is no JSON"):
        read_summary(tmp_path, "cell0_c1")


def test_a_line_still_being_written_is_left_for_the_next_call(tmp_path: Path) -> None:
    text = (GOLDEN / REQUESTS).read_bytes().splitlines(keepends=True)
    path = tmp_path / REQUESTS
    path.write_bytes(text[0] + text[1][:50])
    found = list(lines(path))
    assert len(found) == 1
    path.write_bytes(text[0] + text[1])
    assert len(list(lines(path, found[-1][1]))) == 1
    assert list(lines(tmp_path / "missing")) == []


@pytest.mark.parametrize(("line", "message"), [(b"{\n", "no JSON"), (b"[1]\n", "is no request"), (b'{"metadata": {}}\n', "lacks phase_name")])
def test_a_foreign_line_is_an_error(tmp_path: Path, line: bytes, message: str) -> None:
    (tmp_path / REQUESTS).write_bytes(line)
    with pytest.raises(RunError, match=message):
        list(lines(tmp_path / REQUESTS))


def test_the_configuration(load: Load, tmp_path: Path) -> None:
    made = configuration(load, tmp_path / "prompts.jsonl", tmp_path / "client", workers=1)["benchmark"]
    assert [(phase["name"], phase["kind"], phase["concurrency"]) for phase in made["phases"]] == [
        ("warmup", "warmup", 2), ("cell0_c1", "profiling", 1), ("cell1_c2", "profiling", 2),
    ]  # fmt: skip
    assert {phase["type"] for phase in made["phases"]} == {"constant"}
    assert made["phases"][0]["requests"] == 2
    assert made["phases"][1]["duration"] == 1.5
    assert made["endpoint"]["extra"] == {"temperature": 0.0, "ignore_eos": True}
    assert "waitForModelTimeout" not in made["endpoint"]
    assert "duration" not in made["phases"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"urls": ()}, "urls must be"),
        ({"urls": ("127.0.0.1:8000",)}, "urls must be"),
        ({"concurrencies": (1, 0)}, "concurrencies must be one or more, each at least 1"),
        ({"osl_tokens": 0}, "osl_tokens must be at least 1, got 0"),
        ({"max_s": 1.0}, "max_s must be more than warm-up and cells take"),
        ({"warmup_s": 1.0}, "warmup_s and warmup_requests exclude each other"),
    ],
)
def test_an_impossible_load_is_refused(load: Load, change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Load(**{**vars(load), **change})  # type: ignore[arg-type]


def test_what_is_missing_is_named(load: Load, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="no load generator") as caught:
        Aiperf(tmp_path / "python").run(load, tmp_path / "run")
    assert "doctor --install aiperf" in str(caught.value)
    (load.tokenizer / "tokenizer_config.json").unlink()
    with pytest.raises(UsageError, match=r"lacks tokenizer_config\.json"):
        Aiperf(Path(sys.executable)).run(load, tmp_path / "run")


def test_a_folder_is_never_used_twice(load: Load, tmp_path: Path) -> None:
    (tmp_path / "run" / "client").mkdir(parents=True)
    with pytest.raises(UsageError, match="never overwritten"):
        Aiperf(Path(sys.executable)).run(load, tmp_path / "run")


def _stand_in_client(tmp_path: Path, body: str) -> Path:
    """An interpreter that runs a script in place of aiperf."""
    script = tmp_path / "client.py"
    script.write_text(
        "import json, os, signal, sys, time\nfolder = json.load(open(sys.argv[-1]))['benchmark']['artifacts']['dir']\n"
        f"golden = {str(GOLDEN / REQUESTS)!r}\nout = os.path.join(folder, {REQUESTS!r})\n" + body
    )
    python = tmp_path / "client"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    python.chmod(0o755)
    return python


def test_a_client_that_is_killed_leaves_what_there_was(load: Load, tmp_path: Path) -> None:
    python = _stand_in_client(tmp_path, "open(out, 'w').writelines(list(open(golden))[:20])\nos.kill(os.getpid(), signal.SIGKILL)\n")
    with pytest.raises(RunError, match="the client ended with code 137") as caught:
        Aiperf(python).run(load, tmp_path / "run")
    assert "20 requests are kept" in str(caught.value)
    assert len(read_requests(tmp_path / "run" / "requests.parquet")) == 20


def test_a_load_without_a_completed_request_is_an_error(load: Load, tmp_path: Path) -> None:
    python = _stand_in_client(tmp_path, "open(out, 'w').writelines(line for line in open(golden) if '\"error\"' in line)\n")
    with pytest.raises(RunError, match=r"no request completed in cell0_c1, cell1_c2; .* requests failed, most often \(\d+\): 500"):
        Aiperf(python).run(load, tmp_path / "run")


def test_a_client_that_refuses_says_why(load: Load, tmp_path: Path) -> None:
    python = _stand_in_client(tmp_path, "print('unknown option --frobnicate', file=sys.stderr)\nsys.exit(2)\n")
    with pytest.raises(RunError, match=r"ended with code 2; no request completed in .*unknown option --frobnicate"):
        Aiperf(python).run(load, tmp_path / "run")


def test_the_limit_ends_a_client_that_hangs(load: Load, tmp_path: Path) -> None:
    python = _stand_in_client(tmp_path, "open(out, 'w').writelines(list(open(golden))[:5])\ntime.sleep(600)\n")
    short = Load(**{**vars(load), "settle_s": 0.1, "window_s": 0.3, "max_s": 1.5})
    with pytest.raises(RunError, match=r"longer than its limit of 1\.5 s"):
        Aiperf(python).run(short, tmp_path / "run")
    assert len(read_requests(tmp_path / "run" / "requests.parquet")) == 5


def test_a_whole_result(load: Load, tmp_path: Path) -> None:
    python = _stand_in_client(tmp_path, "open(out, 'w').writelines(open(golden))\ntime.sleep(0.5)\n")
    result = Aiperf(python).run(load, tmp_path / "run")
    assert result.cells == (("cell0_c1", 1), ("cell1_c2", 2))
    assert set(result.cell(1)["concurrency"]) == {2}
    assert result.repeated_prompts == len(result.requests) - result.requests["prompt_sha8"].nunique()
    kept = read_requests(tmp_path / "run" / "requests.parquet")
    pd.testing.assert_frame_equal(kept.drop(columns="chunk_ns"), result.requests.drop(columns="chunk_ns"))
    assert not (tmp_path / "run" / "client" / REQUESTS).exists()
    assert (tmp_path / "run" / "client" / f"{REQUESTS}.gz").is_file()


def test_cpu_share_by_hand() -> None:
    cpu = pd.DataFrame({"at_ns": [0, 10**9, 3 * 10**9], "cpu_s": [1.0, 1.5, 2.5]})
    assert cpu_share(cpu, 0, 3 * 10**9) == pytest.approx(0.5)
    assert cpu_share(cpu, 5 * 10**8, 10**9) == pytest.approx(0.5)
    assert np.isnan(cpu_share(cpu, 0, 4 * 10**9))
    assert np.isnan(cpu_share(cpu.iloc[:1], 0, 1))


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[str]:
    port = tmp_path / "port"
    server = subprocess.Popen([sys.executable, str(STANDIN), "--port", "0", "--port-file", str(port), "--ttft-ms", "20", "--tpot-ms", "5"])
    try:
        for _ in range(400):
            if port.is_file() and port.read_text().strip():
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port.read_text().strip()}"
    finally:
        server.terminate()
        server.wait()


def _aiperf_python() -> Path | None:
    given = os.environ.get("FRONTIER_AIPERF_PYTHON")
    found = [Path(given)] if given else sorted((ROOT / "artifacts" / "cache" / "tools").glob("aiperf-*/bin/python"))
    return next((path for path in found if path.is_file()), None)


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.skipif(_aiperf_python() is None, reason="aiperf is not installed: frontier doctor --install aiperf")
def test_aiperf_itself(load: Load, tmp_path: Path, standin: str) -> None:
    python = _aiperf_python()
    assert python is not None
    real = Load(**{**vars(load), "urls": (standin,), "settle_s": 0.5, "window_s": 2.0, "prompts": 200})
    result = Aiperf(python).run(real, tmp_path / "run")
    assert result.cross_check() == {"cell0_c1": [], "cell1_c2": []}
    for number, concurrency in enumerate(real.concurrencies):
        steady = find_steady(result.cell(number), concurrency)
        assert steady.window is not None, steady.reason
        row = window_metrics(result.cell(number), steady.window, gpus=1, concurrency=concurrency)
        assert row["median_tpot_s"] == pytest.approx(0.005, rel=0.3)  # what the stand-in was told; a crowded machine adds to it
        assert 0.8 < row["little_ratio"] <= 1.02
        assert row["failed_requests"] == 0
    assert (result.requests["output_tokens"] == 8).all()
    assert (result.requests["input_tokens"] == 16).all()
    assert result.requests["prompt_sha8"].nunique() == min(len(result.requests), real.prompts)


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.skipif(_aiperf_python() is None, reason="aiperf is not installed: frontier doctor --install aiperf")
def test_aiperf_is_ended_once_steady(load: Load, tmp_path: Path, standin: str) -> None:
    python = _aiperf_python()
    assert python is not None
    real = Load(**{**vars(load), "urls": (standin,), "concurrencies": (2,), "settle_s": 30.0, "window_s": 1.5, "prompts": 200})
    result = Aiperf(python).run(real, tmp_path / "run", until_steady=True)
    assert (result.requests["end_ns"].max() - result.requests["start_ns"].min()) / 1e9 < 30  # settle_s and window_s are 31.5 s
    steady = find_steady(result.cell(0), 2, window_s=1.5)
    assert steady.found, steady.reason


@pytest.mark.slow
@pytest.mark.skipif(_aiperf_python() is None, reason="aiperf is not installed: frontier doctor --install aiperf")
def test_a_server_that_goes_away(load: Load, tmp_path: Path) -> None:
    python = _aiperf_python()
    assert python is not None
    port = tmp_path / "port"
    options = ["--port", "0", "--port-file", str(port), "--ttft-ms", "20", "--tpot-ms", "5", "--crash-after", "20"]
    server = subprocess.Popen([sys.executable, str(STANDIN), *options])
    try:
        for _ in range(400):
            if port.is_file() and port.read_text().strip():
                break
            time.sleep(0.05)
        real = Load(**{**vars(load), "urls": (f"http://127.0.0.1:{port.read_text().strip()}",), "window_s": 3.0})
        with pytest.raises(RunError, match="requests failed, most often"):
            Aiperf(python).run(real, tmp_path / "run")
    finally:
        server.kill()
        server.wait()
    kept = read_requests(tmp_path / "run" / "requests.parquet")
    assert kept["error"].isna().sum() >= 15
    shutil.rmtree(tmp_path / "run")
