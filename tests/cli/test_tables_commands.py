"""`frontier attribute` and `frontier shift` as a user types them: documents, exit codes, messages without a traceback."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frontier import cli


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
        (["shift", "{plan}"], "Missing argument"),
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
