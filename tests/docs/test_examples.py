"""The example files are what their script writes, and the numbers that docs/method.md derives by hand are the kit's."""

from __future__ import annotations

import runpy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from doc_pages import ROOT

from frontier.attribute import attribute, parse_levers
from frontier.records import read_points
from frontier.shift import account

EXAMPLES = ROOT / "docs" / "examples"


def split(file: str, *levers: str, missing: str = "error") -> dict[str, Any]:
    table = read_points(EXAMPLES / file)
    return attribute(table, parse_levers(table, levers, {}, {}), missing=missing, resamples=200)


def ratios(entries: list[dict[str, Any]]) -> dict[str, float]:
    return {entry["lever"]: entry["ratio"] for entry in entries}


def test_files_are_what_the_script_writes() -> None:
    script = runpy.run_path(str(EXAMPLES / "make_examples.py"))
    made = {name: script["as_csv"](rows) for name, rows in script["tables"]().items()}
    assert {file.name: file.read_text(encoding="utf-8") for file in EXAMPLES.glob("*.csv")} == made


def test_examples_are_labelled_simulated() -> None:
    assert {value for file in EXAMPLES.glob("*.csv") for value in pd.read_csv(file)["evidence"]} == {"simulated"}


def test_two_levers_by_hand() -> None:
    # v = 0, ln 2, ln 1.5, ln 4.5 for none, precision, spec, both; see "By hand" in docs/method.md.
    document = split("plan.csv", "precision", "spec")
    assert ratios(document["shares"]) == pytest.approx({"precision": 6**0.5, "spec": 3.375**0.5})  # sqrt(2 * 3), sqrt(1.5 * 2.25)
    assert document["total"]["ratio"] == pytest.approx(4.5)
    assert ratios(document["ladder"]) == pytest.approx({"precision": 2.0, "spec": 2.25})
    assert ratios(document["leave_one_out"]) == pytest.approx({"precision": 3.0, "spec": 2.25})
    assert document["interactions"][0]["log_ratio"] == pytest.approx(np.log(1.5))
    assert document["domain"]["interactivity_tok_s_user"] == pytest.approx([25.0, 80.0])


def test_infeasible_cell_by_hand() -> None:
    document = split("hardware.csv", "hardware", "precision")
    assert ratios(document["shares"]) == pytest.approx({"hardware": 12**0.5, "precision": 3**0.5})  # sqrt(2 * 6), sqrt(1 * 6 / 2)


def test_observed_path_by_hand() -> None:
    document = split("path.csv", "precision", "spec", missing="ladder")
    assert ratios(document["shares"]) == pytest.approx({"precision": 2.0, "spec": 2.25})
    assert document["method"] == "ladder"
    assert document["leave_one_out"] == document["interactions"] == []


def test_snapshots_by_hand() -> None:
    # Peak 2400 -> 3000 at concurrency 384; reach 80 -> 1.5 * 100 / (1 + 64 / 128) * 1.25 = 125 at concurrency 32 with MTP.
    document = account(read_points(EXAMPLES / "before.csv"), read_points(EXAMPLES / "after.csv"), resamples=200)
    assert document["peak_ratio"] == pytest.approx(1.25)
    assert document["max_interactivity_ratio"] == pytest.approx(125 / 80)
    assert [factor["cause"] for factor in document["factors"]] == ["software", "search_space:mtp", "coverage"]
    assert document["verdict"] == ["software", "search_space:mtp"]
    assert np.prod([factor["ratio"] for factor in document["factors"]]) == pytest.approx(document["ratio"]["value"])
    assert document["factors"][0]["ratio"] > 1.25
