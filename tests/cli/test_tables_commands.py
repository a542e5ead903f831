"""`frontier attribute` and `frontier shift` as a user types them: documents, exit codes, messages without a traceback."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frontier import cli

ROOT = Path(__file__).parents[2]
HISTORY, BEFORE = (str(ROOT / "docs" / "examples" / name) for name in ("history.csv", "before.csv"))
PAIR = ("--before", "date=2025-11-17", "--after", "date=2025-11-24", "--where", "spec=none")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main(list(words))
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    rows = []
    for precision, spec in itertools.product(("fp8", "fp4"), ("none", "mtp")):
        gain = (2.0 if precision == "fp4" else 1.0) * (1.5 if spec == "mtp" else 1.0)
        for concurrency in (1, 4, 16, 64):
            x = 100 / (1 + concurrency / 16)
            rows.append([precision, spec, concurrency, x, gain * concurrency * x])
    path = tmp_path / "plan.csv"
    columns = ["precision", "spec", "concurrency", "interactivity_tok_s_user", "total_tput_tok_s_gpu"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


def test_attribute_prints_one_document(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "attribute", str(plan), "--levers", "precision,spec", "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["schema"] == "frontier.attribution/1"
    assert {s["lever"]: round(s["ratio"], 9) for s in document["shares"]} == {"precision": 2.0, "spec": 1.5}
    assert document["total"]["ratio"] == pytest.approx(3.0)
    assert document["evidence"] == "unstated"


def test_attribute_for_people(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "attribute", str(plan), "--levers", "precision,spec")
    assert code == 0
    assert "precision  2x" in out
    assert "product    3x" in out


def test_shift_prints_one_document(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points = pd.read_csv(plan)
    before, after = plan.with_name("before.csv"), plan.with_name("after.csv")
    base = points[(points.precision == "fp8") & (points.spec == "none")]
    base.to_csv(before, index=False)
    base.assign(total_tput_tok_s_gpu=base.total_tput_tok_s_gpu * 1.25, image="new").to_csv(after, index=False)
    code, out, _ = run(capsys, "shift", str(before), str(after), "--json")
    document = json.loads(out)
    assert code == 0
    assert document["ratio"]["value"] == pytest.approx(1.25)
    assert [(f["cause"], round(f["ratio"], 9)) for f in document["factors"]] == [("software", 1.25)]
    assert document["verdict"] == ["software"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["attribute", "nothing.csv", "--levers", "a"], "no such points file: nothing.csv"),
        (["attribute", "{plan}", "--levers", "nope"], "no column 'nope'"),
        (["attribute", "{plan}", "--levers", "precision", "--baseline", "precision"], "takes lever=value pairs"),
        (["attribute", "{plan}", "--levers", "precision", "--metric", "speed"], "metric must be total or output"),
        (["attribute", "{plan}", "--levers", "precision", "--metric", "output"], "no values in output_tput_tok_s_gpu"),
        (["attribute", "{plan}", "--levers", "precision", "--resamples", "3"], "resamples must be at least 100"),
        (["attribute", "{plan}"], "Missing option '--levers'"),
        (["shift", "{plan}", "{plan}", "--where", "precision=int3"], "no row of"),
        (["shift", "{plan}"], "a shift needs two snapshots"),
        (["plan"], "name one experiment"),
        (["plan", "experiment=a", "experiment=b"], "named 2 times"),
        (["fly"], "No such command"),
    ],
)
def test_bad_input_is_one_clear_error(words: list[str], message: str, plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *(word.format(plan=plan) for word in words))
    assert code == 2
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    from frontier.errors import PointsError

    with pytest.raises(PointsError):
        cli.main(["--debug", "attribute", "nothing.csv", "--levers", "a"])


def test_undefined_is_null_in_the_document(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points = pd.read_csv(plan)
    points.loc[points.precision == "fp4", "interactivity_tok_s_user"] += 1000
    points.to_csv(plan, index=False)
    code, out, _ = run(capsys, "attribute", str(plan), "--levers", "precision,spec", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["total"] == {"log_ratio": None, "ratio": None, "ci95": None}
    assert document["by_interactivity"] == []
    assert "NaN" not in out
    assert np.isfinite(document["shift"]["peak_ratio"])


def test_both_snapshots_from_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "shift", HISTORY, *PAIR, "--json")
    assert code == 0, err
    document = json.loads(out)
    assert document["verdict"] == ["software"]
    assert "changelog" not in document


def test_a_change_log_is_matched_to_a_pair(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "shift", HISTORY, *PAIR, "--changelog", str(ROOT / "docs/examples/changelog.yaml"))
    assert code == 0, err
    assert "change log: " in out


def test_one_snapshot_is_not_a_shift(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "shift", HISTORY, "--before", "date=2025-11-17")
    assert code == 2
    assert "a shift needs two snapshots" in err
    assert "--timeline" in err


def test_a_timeline_draws_its_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "shift", HISTORY, "--timeline", "--figure", str(tmp_path / "steps.png"), "--json")
    assert code == 0, err
    assert json.loads(out)["schema"] == "frontier.timeline/1"
    assert (tmp_path / "steps.png").stat().st_size > 10_000
    code, out, err = run(capsys, "shift", HISTORY, "--timeline", "--figure", str(tmp_path / "steps.xls"))
    assert code == 2
    assert "ends in .png, .svg, .pdf" in err


def test_denominators_of_two_tables(capsys: pytest.CaptureFixture[str]) -> None:
    words = [BEFORE, BEFORE, "--per", "usd", "--tco", "inferencex_2025_10,inferencex_2026_07_31", "--json"]
    document = json.loads(run(capsys, "shift", *words)[1])
    # A GB200 GPU-hour of a hyperscaler: $2.21, later $1.86.
    factor = document["factors"][0]
    assert factor["cause"] == "denominator"
    assert factor["ratio"] == pytest.approx(2.21 / 1.86)
    assert run(capsys, "shift", *words[:2], "--per", "hours")[0] == 2
