"""The whole path on TensorRT-LLM with stand-ins for `trtllm-serve` and the client: real processes and sockets, and no GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml
from standin_trtllm_tools import standin_trtllm_tools, write_environment

from frontier.config import compose
from frontier.engines import get_engine
from frontier.engines.offline import STEADY, WHOLE, read_offline
from frontier.engines.trtllm import TrtllmEngine
from frontier.errors import ConfigErrors, MachineError, RunError, UsageError
from frontier.plan import make_plan
from frontier.runner import run_experiment
from frontier.serving.trtllm import offline_bench, offline_refusal
from frontier.session import start_run

ROOT = Path(__file__).parents[2]
FLAGS = ROOT.parent / "shared" / "reference" / "trtllm" / "cli_flags.json"
STAGED, RACK = "deepseek_r1_b200_staged", "deepseek_r1_gb200_nvl72_staged"
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
    drafting = points["draft_len"] > 0
    # The stand-in accepts each further draft with a chance of a half: 1 + 1/2 + 1/4 + 1/8 tokens a step, less at the end of an answer of eight.
    assert points.loc[drafting, "acceptance_length"].between(1.4, 2.0).all()
    assert points.loc[~drafting, "acceptance_length"].isna().all()
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
        (_role(["--hang-after", "0"]), ["engine.ready_timeout_s=3"], "was not ready after"),
        (_role(["--fail-start", "oom"]), [], "out of memory"),
    ],
    ids=["dies at concurrency 64", "answers 500", "never ready", "streams nothing", "out of memory"],
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


@pytest.mark.slow
def test_the_engine_without_a_server_is_asked_too(tools: list[str], tmp_path: Path) -> None:
    (tmp_path / "tools" / "nvfp4" / "standin.json").write_text(json.dumps({"bench": ["slow"]}))
    (tmp_path / "tools" / "fp8_block" / "standin.json").write_text(json.dumps({"bench": ["fail"]}))
    run = start_run(STAGED, [*tools, *TWO, "engine.offline=[1,4,99]"], str(tmp_path / "artifacts"))
    points = run.measure()
    rows = {(row["variant"], row["concurrency"]): row for row in json.loads((run.run.path / "offline.json").read_text())["rows"]}
    assert len(points) == 4, "what the tool does changes no point"
    assert set(rows) == {(variant, load) for variant in ("baseline", "precision") for load in (1, 4, 99)}
    assert "trtllm-bench ended with code 1" in rows["baseline", 4]["reason"]
    assert "out of memory" in rows["baseline", 4]["reason"]
    assert "not measured through a server" in rows["precision", 99]["reason"]
    four, one = rows["precision", 4], rows["precision", 1]
    assert (four["basis"], one["basis"]) == (STEADY, WHOLE)
    # Twice the step of the server: the tool's own requests say so, by the same formula.
    assert four["served"]["interactivity_tok_s_user"] / four["offline"]["interactivity_tok_s_user"] == pytest.approx(2.0, rel=0.25)
    assert four["steps"]["mean_scheduled"] == 4
    assert four["steps"]["context_share"] == pytest.approx(0.25)
    assert four["notes"] == []
    assert four["reported"]["interactivity_tok_s_user"] == pytest.approx(four["offline"]["interactivity_tok_s_user"], rel=0.1)
    run.attribute()
    assert "The engine without a server" in run.write_report().read_text()
    assert left_behind(tmp_path) == []
    # Older releases lose the report where drafts are made: then the tables on the console say the same.
    digest = next(digest for digest in run.run.trial_digests() if (run.run.trial_record(digest) or {})["variant"] == "precision")
    kept = run.run.trial_folder(digest) / "kept" / "offline-0-4"
    (kept / "report.json").unlink()
    again = read_offline(kept, gpus=8, concurrency=4, turnovers=run.cfg.sweep.turnovers)
    assert again["reported"] == pytest.approx(four["reported"], rel=1e-3)
    assert again["notes"] == ["no report.json: read from what the tool printed"]


def test_what_trtllm_bench_cannot_measure_is_said(tools: list[str]) -> None:
    engine = get_engine(compose(STAGED, tools))
    assert isinstance(engine, TrtllmEngine)
    variant = make_plan(engine.cfg).main.variants[-1]
    setting = engine.deployments(variant)[0]
    assert offline_refusal(setting.levers, engine.knobs(setting)) == "trtllm-bench cannot measure disaggregation"


def test_the_call_states_nothing_twice(tools: list[str], tmp_path: Path) -> None:
    engine = get_engine(compose("deepseek_r1_b200_staged", tools))
    assert isinstance(engine, TrtllmEngine)
    for variant in make_plan(engine.cfg).main.variants[:-1]:
        setting = engine.deployments(variant)[0]
        for concurrency, mode in ((1, "latency"), (64, "throughput")):
            bench = offline_bench(setting.levers, engine.knobs(setting), tmp_path, concurrency, tmp_path)
            document, words = yaml.safe_load(bench.files["worker.yaml"]), bench.command
            assert mode in words
            assert not set(document) & {"tensor_parallel_size", "moe_expert_parallel_size", "max_batch_size", "max_num_tokens", "max_seq_len"}
            assert words[words.index("--tp") + 1] == str(setting.levers.layout.tp)
            assert ("--max_batch_size" in words) == ("--streaming" in words) == ("--request_json" in words) == (mode == "throughput")
            known = known_flags(f"trtllm-bench {mode}")
            assert known is None or {word for word in words if word.startswith("--")} <= known


def known_flags(command: str) -> set[str] | None:
    """Flags of a command and of its group for releases up to 1.2; None where the contract's files are not on this machine."""
    if not FLAGS.exists():
        return None
    commands = json.loads(FLAGS.read_text())["commands"]
    entries = [next(one for one in commands[name] if one["versions"] == "<=1.2") for name in ("trtllm-bench", command)]
    return {flag for entry in entries for one in entry["flags"] for flag in one["flags"]}


@pytest.fixture
def rack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A job on eight nodes, each an address of the loopback, with the newer release."""
    commands = tmp_path / "newer" / "bin"
    write_environment(commands, "1.3.0rc20")
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_NODELIST", ",".join(f"127.0.0.{node}" for node in range(1, 9)))
    return [f"engine.server_python={commands / 'python'}", f"model.checkpoints.nvfp4={tmp_path / 'tools' / 'nvfp4'}"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers at every address of the loopback")
def test_a_deployment_over_many_nodes(tools: list[str], rack: list[str], tmp_path: Path) -> None:
    kept = [word for word in tools if word.split("=")[0] not in {extra.split("=")[0] for extra in rack}]
    run = start_run(RACK, [*kept, *rack, "lever=[parallelism,disaggregation]"], str(tmp_path / "artifacts"))
    points = run.measure()
    found = {variant: set(rows["gpus"]) for variant, rows in points.groupby("variant")}
    assert found == {"baseline": {8}, "parallelism": {16}, "parallelism+disaggregation": {32}}
    deployments = [json.loads(file.read_text()) for file in run.run.path.glob("trials/*/kept/launch-*/deployment.json")]
    widest = max((found["commands"] for found in deployments), key=len)
    placed = {name: words[words.index("--nodelist") + 1].split(",") for name, words in widest.items() if name != "router"}
    assert placed == {
        **{f"prefill{node}": [f"127.0.0.{node + 1}"] for node in range(4)}, "decode0": [f"127.0.0.{node}" for node in range(5, 9)],
    }  # fmt: skip
    front = yaml.safe_load(next(run.run.path.glob("trials/*/kept/launch-*/front.yaml")).read_text())
    assert [url.split(":")[0] for url in front["generation_servers"]["urls"]] == ["127.0.0.5"]
    tasks = sorted(text.split("launched in ")[1].split()[0] for file in run.run.path.rglob("*.log") if "launched in" in (text := file.read_text()))
    assert tasks == ["16", "16", "4", "4", "4", "4", "8"]
    assert left_behind(tmp_path) == []


def test_a_deployment_over_nodes_needs_a_job_with_as_many(
    tools: list[str], rack: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [word for word in tools if word.split("=")[0] not in {extra.split("=")[0] for extra in rack}]
    monkeypatch.setenv("SLURM_JOB_NODELIST", "127.0.0.1,127.0.0.2")
    with pytest.raises(MachineError, match=r"spans 8 nodes, the job has 2: 127.0.0.1, 127.0.0.2"):
        run_experiment(RACK, [*kept, *rack], artifacts_dir=tmp_path / "artifacts")
    monkeypatch.delenv("SLURM_JOB_NODELIST")
    with pytest.raises(MachineError, match="there is no Slurm job here"):
        run_experiment(RACK, [*kept, *rack], artifacts_dir=tmp_path / "artifacts")


def test_releases_are_levels_of_a_lever(tools: list[str], tmp_path: Path) -> None:
    newer = write_environment(tmp_path / "newer" / "bin", "1.3.0rc20")
    version = ["lever=[version]", "design=factorial", "lever.version.baseline=[1.2.1]", "lever.version.target=[1.3.0rc20]", "engine.offline=[]"]
    named = [f"engine.releases={{1.3.0rc20: {newer}}}", "engine.images={1.3.0rc20: registry/release@sha256:0}"]
    run = start_run(STAGED, [*tools, *version, *named], str(tmp_path / "artifacts"))
    points = run.measure()
    assert {variant: set(rows["engine_version"]) for variant, rows in points.groupby("variant")} == {"baseline": {"1.2.1"}, "version": {"1.3.0rc20"}}
    assert set(points[points["variant"] == "version"]["image"]) == {"registry/release@sha256:0"}
    unnamed = compose(STAGED, [*tools, *version])
    with pytest.raises(MachineError, match=r"no environment is named for TensorRT-LLM 1.3.0rc20"):
        get_engine(unnamed).check_machine(tmp_path, make_plan(unnamed).main.variants)


def test_a_server_of_another_release_is_refused(tools: list[str], tmp_path: Path) -> None:
    run = start_run(STAGED, [*tools, *TWO, "engine.release=1.1.0"], str(tmp_path / "artifacts"))
    with pytest.raises(RunError, match="no trial gave a point") as caught:
        run.measure()
    assert "the server says it is release 1.2.1, its files were written for 1.1.0" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("environ", "there", "says"),
    [({"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, None, "CUDA_VISIBLE_DEVICES gives 4: 0,1,2,3"), ({}, 4, "needs 8 GPUs on this node, the driver sees 4")],
    ids=["job with fewer", "machine with fewer"],
)
def test_a_wrong_number_of_gpus_is_said_before_anything_starts(
    tools: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], there: int | None, says: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if there is not None:
        monkeypatch.setattr("frontier.engines.served.Gpus", lambda: SeenGpus(there))
    with pytest.raises(MachineError, match=says):
        run_experiment(STAGED, [*tools, *TWO], artifacts_dir=tmp_path / "artifacts")
    assert not list((tmp_path / "artifacts").glob("runs/*")), "nothing is left of a run that could not begin"


class SeenGpus:
    """So many GPUs, as a driver would say."""

    reason = ""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count


def test_drafts_are_not_measured_on_random_words(tools: list[str], tmp_path: Path) -> None:
    for form in ("fp8_block", "nvfp4"):
        (tmp_path / "tools" / form / "heldout.jsonl").unlink()

    def check(*more: str) -> None:
        cfg = compose(STAGED, [*tools, *more])
        get_engine(cfg).check_machine(tmp_path, make_plan(cfg).main.variants)

    with pytest.raises(MachineError, match=r"drafts are measured on text, and .*(nvfp4|fp8_block) has no heldout.jsonl") as caught:
        check()
    assert "workload.prompts=FILE" in str(caught.value.hint)
    check("engine.forced_acceptance=1.5")
    check("lever=[precision]", "design=factorial")
    texts = tmp_path / "texts.txt"
    texts.write_text("w1 w2 w3\n")
    check(f"workload.prompts={texts}")
    with pytest.raises(UsageError, match="cannot read the prompts file"):
        check(f"workload.prompts={tmp_path / 'missing.txt'}")


def test_nvfp4_on_hopper_is_refused_when_composed() -> None:
    levers = ["lever=[precision]", "design=factorial", "lever.precision.baseline=[fp8_block]", "lever.precision.target=[nvfp4]"]
    with pytest.raises(ConfigErrors, match=r"nvfp4 cannot run on any system of this experiment"):
        compose("deepseek_r1_h200_staged", [*levers, "lever.precision.mode=forced"])


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_from_what_it_kept_to_its_report(tools: list[str], tmp_path: Path) -> None:
    """Build, start, sweep, a kill in the middle of it, and the same command again: no point twice, none lost, one engine per variant."""
    artifacts, cache = tmp_path / "artifacts", tmp_path / "cache"
    places = [f"paths.artifacts_dir={artifacts}", f"paths.cache_dir={cache}"]
    command = [sys.executable, "-m", "frontier.cli", "run", f"experiment={STAGED}", *tools, *TWO, *places, "--json", "--quiet"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    deadline = time.monotonic() + 120
    while not list(artifacts.glob("runs/*/trials/*/kept/launch-*/*.log")) and time.monotonic() < deadline:
        time.sleep(0.05)
    first.kill()
    first.wait()
    assert left_behind(tmp_path) == []
    engines = sorted(cache.glob("engines/*/engine.json"))
    assert len(engines) == 2
    written = [file.stat().st_mtime_ns for file in engines]
    second = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert second.returncode == 0, second.stderr
    folder = Path(json.loads(second.stdout)["path"])
    points = pd.read_parquet(folder / "points.parquet")
    at = sorted(zip(points["variant"], points["concurrency"], strict=True))
    assert at == [("baseline", 1), ("baseline", 4), ("precision", 1), ("precision", 4)]
    assert len(list(artifacts.glob("runs/2*"))) == 1
    assert [file.stat().st_mtime_ns for file in sorted(cache.glob("engines/*/engine.json"))] == written
    assert (folder / "report.html").exists()
    assert left_behind(tmp_path) == []
