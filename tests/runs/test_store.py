"""Run folders: atomic writes, locks, reuse and manifests."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from frontier.errors import RunError
from frontier.files import read_json, write_json, write_text
from frontier.provenance import sha256_file
from frontier.schema import Config
from frontier.session import Session
from frontier.store import Store

Opened = Callable[[Config], Session]
Small = Callable[..., Config]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    write_json(file, {"value": 1})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"cannot write a\.json: No space left on device") as caught:
        write_json(file, {"value": 2})
    assert "paths.artifacts_dir" in str(caught.value)
    assert read_json(file) == {"value": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_nan_never_reaches_a_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "a.json", {"value": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_an_artifacts_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("")
    with pytest.raises(RunError, match="cannot create"), Store(tmp_path / "artifacts").lock("x", wait_s=0):
        pass


def test_the_same_plan_continues_the_same_run(small: Small, opened: Opened) -> None:
    first, again, other = opened(small()), opened(small()), opened(small("engine.seed=5"))
    assert first.run == again.run
    assert other.run != first.run
    assert sorted(path.name for path in first.run.path.iterdir()) == ["config.yaml", "environment.json", "plan.json", "trials"]


def test_an_incomplete_trial_is_not_taken_for_complete(small: Small, opened: Opened) -> None:
    session = opened(small())
    digest = session.plan.trials[0].digest
    folder = session.run.begin_trial(digest)
    write_text(folder / "points.parquet", "half a file")
    assert session.run.trial_record(digest) is None
    assert not session.run.measured()
    assert list(session.run.begin_trial(digest).iterdir()) == []
    session.measure()
    assert session.run.measured()


def test_a_complete_trial_is_never_run_again(measured: Session) -> None:
    session = measured
    with pytest.raises(RunError, match="is complete and never run again"):
        session.run.begin_trial(session.plan.trials[0].digest)


def test_a_foreign_file_in_a_trial_is_refused_by_name(small: Small, opened: Opened) -> None:
    session = opened(small())
    folder = session.run.trial_folder(session.plan.trials[0].digest)
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"holds files that no trial writes: notes\.txt"):
        session.measure()
    assert (folder / "notes.txt").read_text() == "mine"


def test_another_run_takes_over_trials_that_are_the_same(measured: Session, small: Small, opened: Opened) -> None:
    first = measured
    second = opened(small("design.resamples=777"))
    assert second.run != first.run
    missing = [trial.digest for trial in second.plan.trials]
    assert second.store.reuse_trials(second.run, missing) == missing
    for digest in missing:
        for file in first.run.trial_folder(digest).iterdir():
            assert (second.run.trial_folder(digest) / file.name).read_bytes() == file.read_bytes()


def test_the_lock_refuses_a_second_holder(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with (
        store.lock("run", wait_s=0.1),
        pytest.raises(RunError, match="another process is working on run"),
        Store(tmp_path).lock("run", wait_s=0.1),
    ):
        pass
    with store.lock("run", wait_s=0.1):
        pass  # given up above, so it can be had again


def test_the_manifest_hashes_every_file_and_marks_the_run_finished(measured: Session) -> None:
    session = measured
    assert session.run.manifest is None
    session.run.write_manifest("complete", session.plan.digest)
    manifest = session.run.manifest
    assert manifest is not None
    on_disk = {path.relative_to(session.run.path).as_posix() for path in session.run.path.rglob("*") if path.is_file()} - {"manifest.json"}
    assert set(manifest["files"]) == on_disk
    assert all(sha256_file(session.run.path / name) == digest for name, digest in manifest["files"].items())
    assert set(manifest["trials"].values()) == {"done"}


def test_find_run_names_the_runs_there_are(small: Small, opened: Opened, tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RunError, match="no run of experiment 'smoke' has all its trials"):
        store.find_run("smoke")
    session = opened(small())
    with pytest.raises(RunError, match=session.run.run_id):
        store.find_run("smoke")  # planned, not measured


def test_find_run_gives_the_newest_measured_run(measured: Session, small: Small, opened: Opened, tmp_path: Path) -> None:
    store = Store(tmp_path)
    opened(small("engine.seed=5"))  # newer, not measured
    assert store.find_run("smoke") == measured.run
    assert store.find_run(run_id=measured.run.run_id) == measured.run
    with pytest.raises(RunError, match="no run 'nonsense'"):
        store.find_run(run_id="nonsense")


def test_strange_folders_among_the_runs_are_ignored(small: Small, opened: Opened, tmp_path: Path) -> None:
    session = opened(small())
    (tmp_path / "runs" / "20200101T000000Z-smoke-12345678").mkdir()  # no plan inside: never a run
    (tmp_path / "runs" / "notes").mkdir()
    assert Store(tmp_path).list_runs() == [session.run]


def test_trial_records_say_what_was_run(measured: Session) -> None:
    session = measured
    trial = session.plan.trials[1]
    record = json.loads((session.run.trial_folder(trial.digest) / "trial.json").read_text())
    assert record["variant"] == "hardware"
    assert record["settings"] == {"hardware": ["b200_sxm_x8"], "disaggregation": ["aggregated"]}
    assert (record["status"], record["points"]) == ("done", 9)
