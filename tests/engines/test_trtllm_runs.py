"""The whole path on TensorRT-LLM with stand-ins for `trtllm-serve` and the client: real processes and sockets, and no GPU."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml
from standin_trtllm_tools import standin_trtllm_tools

from frontier.config import compose
from frontier.engines import get_engine
from frontier.errors import MachineError, RunError
from frontier.plan import make_plan
from frontier.session import start_run

ROOT = Path(__file__).parents[2]
STAGED = "deepseek_r1_b200_staged"
TWO = ["lever=[precision]", "design=factorial"]


@pytest.fixture
def tools(tmp_path: Path) -> list[str]:
    return standin_trtllm_tools(tmp_path / "tools")


def left_behind(folder: Path, limit_s: float = 15.0) -> list[psutil.Process]:
    """Processes whose command line names the folder, after those that are ending have had time to."""
    deadline = time.monotonic() + limit_s
    while True:
        left = [found for found in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(found.info["cmdline"] or [])]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def test_a_staged_ablation_runs_from_its_files_to_the_report(tools: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "frontier.cli", "run", f"experiment={STAGED}", *tools, f"paths.artifacts_dir={tmp_path / 'artifacts'}"]
    done = subprocess.run([*command, "--json", "--quiet"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads(done.stdout)["path"])
    points = pd.read_parquet(folder / "points.parquet")
    assert points["variant"].nunique() == 5
    assert set(points["engine"]) == {"trtllm"}
    split = points[points["disagg"]]
    assert (set(split["gpus"]), set(split["prefill_gpus"]), set(split["decode_gpus"])) == ({8}, {4}, {4})
    engines = json.loads((folder / "engines.json").read_text())["engines"]
    assert [engine["precision"]["weights"] for engine in engines] == ["fp8_block", *["nvfp4"] * 4]
    assert len({engine["digest"] for engine in engines}) == 5
    files = {file.name: yaml.safe_load(file.read_text()) for file in folder.glob("trials/*/kept/launch-*/*.yaml")}
    assert set(files) == {"server.yaml", "prefill0.yaml", "decode0.yaml", "front.yaml"}
    assert files["prefill0.yaml"]["cuda_graph_config"] is None
    assert "trtllm" in (folder / "report.html").read_text()
    assert (folder / "notebooks" / "10_build_engine.ipynb").exists()
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["engine.context_workers=16"], "needs 68 GPUs, there are 64"),
        (["engine.worker={moe_backend: CUTLASS}"], "moe_backend is no key of this file: moe_config.backend"),
        (["engine.server={generation_server.num_instances: 1}"], "front end: generation_server is no key"),
        (["engine.max_num_tokens=512"], "leaves no room for drafts beside a prompt"),
        (["engine.release=1.3.0rc20", "engine.serialized=true"], "1.3.0rc20 has no serialized engines"),
    ],
)
def test_the_plan_says_what_cannot_run_and_why(tools: list[str], more: list[str], says: str) -> None:
    cfg = compose(STAGED, [*tools, *more])
    assert says in " ".join(variant.infeasible for variant in make_plan(cfg).main.variants)


def _role(words: list[str]) -> Callable[[Path], None]:
    """Options of the stand-in for the NVFP4 checkpoint's server."""
    return lambda folder: (folder / "nvfp4" / "standin.json").write_text(json.dumps({"server": words})) and None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "more", "says"),
    [
        (_role(["--crash-after", "70"]), ["sweep.concurrencies=[1,64]", "sweep.window_s=2"], "server ended in the middle"),
        (_role(["--fail-every", "1"]), [], "status 500"),
        (_role(["--start-delay-s", "60"]), ["engine.ready_timeout_s=3"], "was not ready after"),
        (_role(["--fail-start", "oom"]), [], "out of memory"),
    ],
    ids=["dies at concurrency 64", "answers 500", "never ready", "out of memory"],
)
def test_a_variant_that_fails_is_recorded_and_the_others_go_on(
    tools: list[str], tmp_path: Path, spoil: Callable[[Path], None], more: list[str], says: str
) -> None:
    spoil(tmp_path / "tools")
    kept = [word for word in tools if word.split("=")[0] not in {extra.split("=")[0] for extra in more}]
    run = start_run(STAGED, [*kept, *TWO, *more], str(tmp_path / "artifacts"))
    points = run.measure()
    records = {record["variant"]: record for digest in run.run.trial_digests() if (record := run.run.trial_record(digest))}
    assert records["baseline"]["status"] == "done"
    assert "baseline" in set(points["variant"])
    assert records["precision"]["status"] == "failed"
    assert says in records["precision"]["reason"]
    assert left_behind(tmp_path) == []


def test_a_machine_without_the_engine_says_what_is_missing(tools: list[str], tmp_path: Path) -> None:
    kept = [word for word in tools if not word.startswith("engine.server_python")]
    with pytest.raises(MachineError, match="no trtllm-serve beside"):
        get_engine(compose(STAGED, [*kept, f"engine.server_python={tmp_path / 'python'}"])).check_machine(tmp_path)
    others = [word for word in tools if not word.startswith("model.checkpoints.fp8_block")]
    with pytest.raises(MachineError, match="is no folder here and has not been downloaded"):
        get_engine(compose(STAGED, [*others, "model.checkpoints.fp8_block=nobody/nothing"])).check_machine(tmp_path)


def test_an_incomplete_checkpoint_stops_the_build_with_its_name(tools: list[str], tmp_path: Path) -> None:
    file = tmp_path / "tools" / "nvfp4" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    run = start_run(STAGED, [*tools, *TWO], str(tmp_path / "artifacts"))
    with pytest.raises(RunError, match=r"model.safetensors has .* truncated or damaged"):
        run.engines()
    assert not (run.run.path / "engines.json").exists()
