"""The command: list, make, show, and what it says when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from frontier.checkpoints import spec_names
from frontier.cli import main

pytest.importorskip("torch", reason="checkpoints need frontier-kit[torch]")


def frontier(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def test_list_labels_what_is_random(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = frontier(capsys, "checkpoint", "list", "--cache", str(tmp_path), "--json")
    document = json.loads(out)
    assert code == 0
    assert document["cache"] == str(tmp_path)
    assert [row["name"] for row in document["checkpoints"]] == spec_names()
    assert {row["name"] for row in document["checkpoints"] if not row["speed_only"]} == {"pocket", "pocket_tiny"}
    assert all(row["path"] is None for row in document["checkpoints"])
    code, out, _ = frontier(capsys, "checkpoint", "list", "--cache", str(tmp_path))
    assert "weights: none, speed only; not made. shape of Llama 3.1 8B" in out


def test_make_then_show(capsys: pytest.CaptureFixture[str], tmp_path: Path, small_text: object) -> None:
    code, out, _ = frontier(capsys, "checkpoint", "make", "random_llama_1b", "--cache", str(tmp_path))
    assert code == 0
    assert "weights     none: start the engine with load_format=dummy" in out
    assert "parameters  1235.8 million" in out
    code, out, _ = frontier(capsys, "checkpoint", "show", "random_llama_1b", "--cache", str(tmp_path), "--json")
    document = json.loads(out)
    assert (document["schema"], document["random"], document["weights"]) == ("frontier.checkpoint/1", True, "none")
    assert Path(document["path"]).parent == tmp_path


def test_show_of_what_is_not_made(capsys: pytest.CaptureFixture[str], tmp_path: Path, small_text: object) -> None:
    code, _, err = frontier(capsys, "checkpoint", "show", "pocket", "--cache", str(tmp_path))
    assert code == 4
    assert "checkpoint pocket is not made yet" in err
    assert "frontier checkpoint make pocket" in err


def test_weights_of_a_trained_checkpoint_are_no_choice(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = frontier(capsys, "checkpoint", "make", "pocket", "--weights", "random", "--cache", str(tmp_path))
    assert code == 2
    assert "--weights of pocket, which is trained, must be one of trained, got 'random'" in err


def test_an_unknown_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = frontier(capsys, "checkpoint", "make", "pocke", "--cache", str(tmp_path))
    assert code == 2
    assert "did you mean 'pocket'?" in err


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    from frontier.cli.checkpoint import _display  # private: a whole training is not run here

    with _display() as tell:
        for step in range(1, 46):
            tell("trunk", step, 45, 2.0)
        tell("weights", 1, 1, float("nan"))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "trunk  20/45  loss 2.000 nats/token", "trunk  40/45  loss 2.000 nats/token", "trunk  45/45  loss 2.000 nats/token", "weights  1/1",
    ]  # fmt: skip
