"""Measured trials beside one another: a stand-in engine whose servers lock the GPUs that they were given, and end where one is taken."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from frontier.config import compose
from frontier.places.local import Chunk, _free_to_start, _queue
from frontier.places.packing import Need
from frontier.quality import OUTPUT, Quality
from frontier.quality.texts import token_digest
from frontier.records import KEPT
from frontier.session import Session, start_run

ROOT = Path(__file__).parents[2]
ENGINES = ROOT / "tests" / "engines"
STAGED = "deepseek_r1_b200_staged"
# Two GPUs a server and two variants, for a machine of four.
TWO = ["lever=[precision]", "design=factorial", "engine.layout=dep2"]
# A server holds its devices as long as it lives. STANDIN_MEET: it waits until so many have started; STANDIN_ALONE: it holds the whole machine.
SERVE = """#!{python}
import fcntl, os, pathlib, sys, time
folder = pathlib.Path({folder!r})
with (folder / "started").open("a") as file:
    file.write(pathlib.Path(sys.argv[1]).name + chr(10))
devices = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
for name in ["machine"] if os.environ.get("STANDIN_ALONE") else devices:
    held = os.open(folder / f"held-{{name}}", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(held, True)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{{name}} is taken")
while len((folder / "started").read_text().split()) < int(os.environ.get("STANDIN_MEET", 0)):
    time.sleep(0.05)
os.environ["STANDIN_RELEASE"] = "1.2.1"
os.execv({python!r}, [{python!r}, {standin!r}, *sys.argv[1:]])
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine of four GPUs, by the word of its environment, and an engine that claims them."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    monkeypatch.syspath_prepend(ENGINES)
    from standin_trtllm_tools import STANDIN, standin_trtllm_tools

    words = standin_trtllm_tools(tmp_path / "tools", loads="[2]")
    serve = tmp_path / "tools" / "bin" / "trtllm-serve"
    serve.write_text(SERVE.format(python=sys.executable, folder=str(tmp_path), standin=str(STANDIN / "standin_trtllm.py")))
    return words


def records(run: Session) -> dict[str, dict[str, Any]]:
    found = [run.run.trial_record(digest) or {} for digest in run.run.trial_digests()]
    return {record["variant"]: record for record in found}


def devices(run: Session, digest: str) -> str:
    """What the server of a trial was started with."""
    document = json.loads(next(run.run.trial_folder(digest).glob("kept/launch-*/deployment.json")).read_text())
    return str(document["environment"]["server"]["CUDA_VISIBLE_DEVICES"])


def test_two_run_at_once_on_devices_of_their_own(tools: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_MEET", "2")  # a server that were the only one would never be ready
    run = start_run(STAGED, [*tools, *TWO, "engine.ready_timeout_s=60"], str(tmp_path / "artifacts"))
    points = run.measure()
    found = records(run)
    assert {record["status"] for record in found.values()} == {"done"}, [record.get("reason") for record in found.values()]
    where = [record["placement"] for record in found.values()]
    assert sorted(one["devices"] for one in where) == [["4", "5"], ["6", "7"]]
    assert [one["neighbours"] for one in where] == [1, 1]
    assert not set(where[0]["cores"]) & set(where[1]["cores"])
    assert {",".join(record["placement"]["devices"]): record["digest"] for record in found.values()} == {
        devices(run, record["digest"]): record["digest"] for record in found.values()
    }
    assert points["variant"].tolist() == ["baseline", "precision"]


def test_where_the_experiment_says_so_each_has_the_machine_to_itself(
    tools: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_ALONE", "1")
    run = start_run(STAGED, [*tools, *TWO, "place.exclusive=true"], str(tmp_path / "artifacts"))
    run.measure()
    for record in records(run).values():
        assert record["status"] == "done", record["reason"]
        assert sorted(record) == sorted(
            ["schema", "digest", "variant", "levels", "settings", "replicate", "status", "reason", "evaluated", "points", "seconds"]
        )
        assert devices(run, record["digest"]) == "4,5"


def test_the_queue_is_the_plan_in_its_order(tools: list[str], tmp_path: Path) -> None:
    kept = [word for word in tools if not word.startswith("sweep.replicates")]
    words = [*kept, *TWO, "sweep.replicates=2"]
    run = start_run(STAGED, [*words, "place.workers=1"], str(tmp_path / "artifacts"))
    pending = [("main", trial) for trial in run.plan.trials]
    chunks, most = _queue(run.cfg, pending)
    assert [chunk.trials for chunk in chunks] == [(trial,) for _, trial in pending]
    assert [chunk.need for chunk in chunks] == [Need(2, block=1), Need(2, block=1), Need(2, block=2), Need(2, block=2)]
    assert most == 1
    alone, _ = _queue(compose(STAGED, [*words, "place.exclusive=true"]), pending)
    assert [(len(chunk.trials), chunk.need.alone) for chunk in alone] == [(4, True)]


def test_one_that_needs_more_than_there_is_fails_with_both_counts(tools: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2,3")
    levers = ["lever=[parallelism]", "lever.parallelism.baseline=[dep2]", "lever.parallelism.target=[dep4]", "lever.parallelism.mode=forced"]
    run = start_run(STAGED, [*tools, *levers, "design=factorial"], str(tmp_path / "artifacts"))
    run.measure()
    found = records(run)
    assert found["baseline"]["placement"]["devices"] == ["0", "2"]
    assert found["parallelism"]["status"] == "failed"
    assert "the deployment needs 4 GPUs, CUDA_VISIBLE_DEVICES gives 3: 0,2,3" in found["parallelism"]["reason"]


def test_with_a_gate_the_baseline_is_asked_first_wherever_the_blocks_put_it(tools: list[str], tmp_path: Path) -> None:
    # The stand-in gives no token ids, so the launch that is asked fails. The variant, which is not asked then, is measured after it.
    gate = ["quality=api", "quality.documents=1", "quality.prompt_tokens=8", "place.exclusive=true"]
    run = start_run(STAGED, [*tools, *TWO, *gate, "sweep.order_seed=4"], str(tmp_path / "artifacts"))
    assert [trial.variant.name for trial in run.plan.trials] == ["precision", "baseline"]
    run.measure()
    assert (tmp_path / "started").read_text().split() == ["fp8_block", "nvfp4"]
    found = records(run)
    assert (found["baseline"]["status"], found["precision"]["status"]) == ("failed", "done")
    assert "returns no token ids" in found["baseline"]["reason"]


def test_with_a_gate_others_start_once_the_baseline_has_been_asked(tools: list[str], tmp_path: Path) -> None:
    kept = [word for word in tools if not word.startswith("sweep.replicates")]
    run = start_run(STAGED, [*kept, *TWO, "quality=api", "sweep.replicates=2"], str(tmp_path / "artifacts"))
    chunks = [Chunk("main", (trial,)) for trial in run.plan.trials]
    first = next(chunk for chunk in chunks if chunk.trials[0].variant.name == "baseline")
    others = [chunk for chunk in chunks if chunk is not first]
    assert _free_to_start(run.run, run.cfg, chunks, []) == [first]
    assert _free_to_start(run.run, run.cfg, others, [first]) == []
    asked = run.run.trial_folder(first.trials[0].digest) / KEPT / OUTPUT
    asked.parent.mkdir(parents=True)
    along = ((1, 2),)
    asked.write_text(json.dumps(Quality("documents", (1.0,), (1,), along, token_digest(along), (2,)).to_dict()))
    assert _free_to_start(run.run, run.cfg, others, [first]) == others, "it is under way and has no record yet"


MEASURE = "import sys; from frontier.session import start_run; start_run(sys.argv[1], sys.argv[3:], sys.argv[2]).measure()"


@pytest.mark.slow
def test_a_packed_run_that_was_killed_goes_on(tools: list[str], tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    command = [sys.executable, "-c", f"if __name__ == '__main__': {MEASURE}", STAGED, str(artifacts), *tools, *TWO]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    deadline = time.monotonic() + 120
    while len(list(artifacts.glob("runs/*/trials/*/kept/launch-*/server.log"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    first.kill()
    first.wait()
    run = start_run(STAGED, [*tools, *TWO], str(artifacts))
    assert [path.name for path in run.run.path.parent.iterdir() if not path.name.startswith(".")] == [run.run.run_id]
    assert run.measure()["variant"].tolist() == ["baseline", "precision"]
    assert {record["placement"]["neighbours"] for record in records(run).values()} == {1}
    assert len(list(run.run.path.glob("trials/*/kept/launch-*"))) == 4, "two were under way when it was killed"
