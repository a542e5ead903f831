"""The tables of configurations: every number carries its interval where the document gives one."""

from __future__ import annotations

import math

import pytest
from report_documents import make_document

from frontier.report.configurations import step_tables


def test_every_throughput_carries_its_interval() -> None:
    document, points = make_document()
    step = document["steps"][0]
    title, table = step_tables(document, points)[0]
    assert title == "Baseline"
    assert table.heads[2] == "95 % interval"
    # The band of the curve at the first point, which is also the first place of the curve.
    low, high = (side[0] for side in step["ci95_tput_tok_s_gpu"])
    text = table.rows[0][2].text
    shown = [float(number.replace(",", "")) for number in text.split(" to ")]
    assert shown == pytest.approx([low, high], rel=5e-3)
    for row, y in zip(table.rows, step["tput_tok_s_gpu"], strict=True):
        bounds = [float(number.replace(",", "")) for number in row[2].text.split(" to ")]
        assert bounds[0] * 0.99 <= y <= bounds[1] * 1.01
        assert not math.isnan(bounds[0])


def test_without_a_band_there_is_no_such_column() -> None:
    document, points = make_document()
    for step in document["steps"]:
        step["ci95_tput_tok_s_gpu"] = None
    assert "95 % interval" not in step_tables(document, points)[0][1].heads
