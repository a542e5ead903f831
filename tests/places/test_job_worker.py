"""What a job does with its trials, without Slurm: the variables that Slurm sets are set by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from frontier.errors import MachineError
from frontier.places import worker
from frontier.places.element import Element
from frontier.places.jobs import Jobs, Submission
from frontier.places.worker import work
from frontier.provenance import package_sha256
from frontier.session import Session, start_run

PLACE = {"max_tries": 2, "serials": False}


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A run of two trials, in a job 17_3 on node n1."""
    for name, value in {"JOB_ID": "20", "ARRAY_JOB_ID": "17", "ARRAY_TASK_ID": "3", "RESTART_COUNT": "1"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("SLURMD_NODENAME", "n1")
    monkeypatch.delenv("SLURM_JOB_NUM_NODES", raising=False)
    return start_run("smoke", ["lever=[hardware]", "sweep.replicates=1", "place=slurm"], str(tmp_path / "artifacts"))


def submitted(session: Session, digests: list[str] | None = None, code: dict[str, str] | None = None) -> Submission:
    jobs = [digests or session.run.trial_digests()]
    return Jobs(session.run.path).create([{"nodes": 1, "gpus_per_node": 0, "jobs": jobs}], PLACE, "cache", {"kind": "host"}, code=code)


def element(session: Session, number: int = 1) -> Element:
    return Element(str(session.run.path), number, 0, 0)


def request(session: Session, number: int = 1) -> dict[str, object]:
    about = {"job": "17_3", "restart": 0, "node": "n1", "nodes": ["n1"], "cache": "cache"}
    return {"run": str(session.run.path), "number": number, "digests": session.run.trial_digests(), **about}


def test_a_job_runs_its_trials_and_notes_where(session: Session) -> None:
    submission = submitted(session)
    assert element(session)() == 2
    assert session.run.measured()
    assert [(one.job, one.restart, one.node, one.how) for one in submission.starts()] == [("17_3", 1, "n1", "record")] * 2
    records = [session.run.trial_record(digest) for digest in session.run.trial_digests()]
    assert {record["placement"]["job"] for record in records if record} == {"17_3"}
    points = session.run.trial_points(session.run.trial_digests()[0])
    assert points is not None
    assert set(points["node"]) == {"n1"}


def test_a_cancelled_submission_starts_nothing(session: Session) -> None:
    submission = submitted(session)
    submission.note_cancelled("test")
    element(session)()
    assert list(submission.starts()) == []


def test_a_trial_belongs_to_the_newest_submission_that_has_it(session: Session) -> None:
    first = submitted(session)
    submitted(session, session.run.trial_digests()[:1])
    work(request(session))
    assert [one.trial for one in first.starts()] == [session.run.trial_digests()[1][:16]]


def test_a_trial_is_started_so_often_and_no_more(session: Session) -> None:
    submission = submitted(session)
    first, second = session.run.trial_digests()
    for restart in range(2):
        submission.note_start(first, "16_0", restart, "n2")
    work(request(session))
    record = session.run.trial_record(first)
    assert record is not None
    assert (record["status"], record["reason"]) == ("failed", "started 2 times, and no start came to an end (place.max_tries)")
    assert (session.run.trial_record(second) or {})["status"] == "done"


def test_what_a_node_lacks_is_said_with_its_name(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted(session)
    engine = worker.get_engine(session.cfg)

    def lacking(self: object, cache: Path, variants: object = ()) -> None:
        raise MachineError("no trtllm-serve here", hint="module load trtllm")

    monkeypatch.setattr(type(engine), "check_machine", lacking)
    work(request(session))
    reasons = {(session.run.trial_record(digest) or {})["reason"] for digest in session.run.trial_digests()}
    assert reasons == {"node n1: no trtllm-serve here\n  try   module load trtllm"}


def test_other_code_than_the_submitted_measures_nothing(session: Session) -> None:
    submission = submitted(session, code={"frontier.records": package_sha256("frontier.records"), "frontier.engines": "0" * 64})
    with pytest.raises(MachineError, match=r"the kit on this node is another than the one that submitted: frontier\.engines differ"):
        work(request(session))
    assert list(submission.starts()) == []


def test_a_worker_that_never_started_a_trial_blames_none(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted(session)
    monkeypatch.setattr("frontier.places.element.sys.executable", "/bin/false")
    with pytest.raises(RuntimeError, match="exit code 1 before it started a trial"):
        element(session)()
    assert not any(session.run.trial_record(digest) for digest in session.run.trial_digests())


def test_a_worker_that_dies_takes_one_trial_with_it(session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    submission = submitted(session)
    first, second = session.run.trial_digests()
    marker = tmp_path / "died"
    dying = tmp_path / "python"
    note = f"{submission.folder}/starts/{first[:16]}-17_3-r1.json"
    said = json.dumps({"trial": first[:16], "job": "17_3", "restart": 1, "node": "n1", "started_s": 1.0})
    begun = f"mkdir -p {submission.folder}/starts; echo '{said}' > {note}"
    dying.write_text(f'#!/bin/sh\nif [ ! -e {marker} ]; then touch {marker}; {begun}; exit 9; fi\nexec {worker.sys.executable} "$@"\n')
    dying.chmod(0o755)
    monkeypatch.setattr("frontier.places.element.sys.executable", str(dying))
    element(session)()
    assert "exit code 9" in (session.run.trial_record(first) or {})["reason"]
    assert (session.run.trial_record(second) or {})["status"] == "done"
    assert next(one.how for one in submission.starts()) == "the worker died with exit code 9"


def test_a_worker_that_is_told_to_end_leaves_its_trial_open(session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    submitted(session)
    told = tmp_path / "python"
    told.write_text("#!/bin/sh\nexit 75\n")
    told.chmod(0o755)
    monkeypatch.setattr("frontier.places.element.sys.executable", str(told))
    element(session)()
    assert not any(session.run.trial_record(digest) for digest in session.run.trial_digests())
