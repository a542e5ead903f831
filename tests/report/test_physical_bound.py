"""The bound in the report: the dashed line is the document's, shares are points over bound, and a run without one is unchanged."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.lines import Line2D
from report_documents import make_document, write_run

from frontier.calibration import Calibration, Measurement
from frontier.calibration.machine import Bounds, Machine
from frontier.calibration.spread import Spread
from frontier.errors import RunError
from frontier.records import normalize_points
from frontier.report import fig_allreduce, fig_bounds, fig_frontiers, fig_memory, fig_products, write_report
from frontier.report.bound import bound_sentence, bound_table, checked_bound
from frontier.report.style import to_png


def curve(pairs: list[tuple[float, float]], **more: Any) -> dict[str, Any]:
    rows = [{"interactivity_tok_s_user": x, "total_tput_tok_s_gpu": y, "output_tput_tok_s_gpu": y / 2} for x, y in pairs]
    return {"label": "physical bound of this machine", "points": rows, **more}


def bound(*curves: dict[str, Any], notes: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"schema": "frontier.bound/1", "curves": list(curves), "notes": list(notes)}


def points(*rows: tuple[str, float, float]) -> pd.DataFrame:
    table = [
        {"evidence": "measured", "variant": variant, "interactivity_tok_s_user": x, "total_tput_tok_s_gpu": y, "output_tput_tok_s_gpu": y / 2}
        for variant, x, y in rows
    ]
    return normalize_points(pd.DataFrame(table), origin="test")


def dashed(figure: Any) -> list[Line2D]:
    return [line for line in figure.axes[0].lines if str(line.get_label()).startswith("physical bound")]


def test_the_line_is_the_documents_and_the_frontiers_keep_their_room() -> None:
    document, _ = make_document()
    fastest = max(x for step in document["steps"] for x in step["interactivity_tok_s_user"])
    found = bound(curve([(10 * fastest, 1e4), (fastest, 1e6), (1.0, 2e6)]))
    figure = fig_frontiers(document, bound=found)
    (line,) = dashed(figure)
    assert list(line.get_xdata()) == [1.0, fastest, 10 * fastest]
    assert list(line.get_ydata()) == [2e6, 1e6, 1e4]
    assert line.get_linestyle() == "--"
    assert figure.axes[0].get_xlim()[1] == pytest.approx(1.6 * fastest)
    assert figure.axes[0].get_ylim()[1] > 2e6


def test_without_a_common_bound_the_envelope_of_the_variants_is_drawn() -> None:
    document, _ = make_document()
    found = bound(curve([(100.0, 10.0), (50.0, 20.0)], variant="a"), curve([(200.0, 5.0), (50.0, 15.0)], variant="b"))
    (line,) = dashed(fig_frontiers(document, bound=found))
    # At 50 a allows 20 and b 15; at 100 a allows 10 and b 15 - 50/150 * 10 = 11.67; at 200 only b.
    assert list(line.get_xdata()) == [50.0, 100.0, 200.0]
    np.testing.assert_allclose(np.asarray(line.get_ydata(), float), [20.0, 35 / 3, 5.0])


def test_shares_by_hand() -> None:
    found = bound(curve([(100.0, 10.0), (50.0, 20.0)]), curve([(40.0, 8.0)], variant="slow"))
    # base: 5 / 20 at 50, and 6 / 15 at 75 (between 20 and 10): 40 %; the fastest is 75 of 100.
    table = bound_table(found, points(("base", 50.0, 5.0), ("base", 75.0, 6.0), ("slow", 20.0, 10.0), ("beyond", 120.0, 1.0)), "total")
    assert table is not None
    base, slow, beyond = table.rows
    assert [cell.text for cell in base] == ["base", "40 %", "75.0", "6.00", "15.0", "75 %"]
    assert slow[1].text == "125 %, above the bound"
    assert [cell.text for cell in beyond][1] == "above the bound"
    assert bound_table(found, points(("base", 50.0, 5.0)), "output").rows[0][1].text == "25 %"  # type: ignore[union-attr]


def test_what_is_no_bound_is_refused_and_none_is_none() -> None:
    assert checked_bound(None) is None
    assert checked_bound(bound()) is None
    with pytest.raises(RunError, match=r"got 'frontier\.plan/1'"):
        checked_bound({"schema": "frontier.plan/1"})
    broken = bound(curve([(1.0, 2.0)]))
    broken["curves"][0]["points"][0]["total_tput_tok_s_gpu"] = None
    with pytest.raises(RunError, match="finite numbers"):
        checked_bound(broken)
    assert bound_table(None, points(("a", 1.0, 1.0)), "total") is None
    assert bound_sentence(None) == ""


def test_notes_of_the_calibration_stand_beside_the_bound() -> None:
    assert "uncertain: other work used 1 of 2 cores." in bound_sentence(bound(curve([(1.0, 1.0)]), notes=("other work used 1 of 2 cores",)))


def test_the_page_has_line_and_table_only_with_a_bound(tmp_path: Path) -> None:
    document, own = make_document()
    with_bound, without = tmp_path / "with", tmp_path / "without"
    with_bound.mkdir()
    without.mkdir()
    high = bound(curve([(1e4, 1e6), (1.0, 1e8)]))
    page = write_report(write_run(with_bound, document, own, extras={"bound.json": high})).read_text(encoding="utf-8")
    plain = write_report(write_run(without, document, own)).read_text(encoding="utf-8")
    assert "Against the physical bound of this machine" in page
    assert "Dashed: the physical bound of this machine." in page
    assert "physical bound" not in plain


def machine() -> Machine:
    speed = Spread(8e9, 7e9, 9e9, 1e10, 5)
    found = [
        *(
            Measurement.of("memory", name, "cpu", n, 1e6, "B/s", speed, size_bytes=2**k)
            for name, n, k in product(("read", "copy"), (1, 2), (17, 22, 26))
        ),
        *(Measurement.of("matmul", "bf16", "cpu", n, 1e6, "op/s", speed, rows=r, inner=64, columns=64) for n, r in product((1, 2), (1, 64))),
        *(Measurement.of("allreduce", "gloo", "cpu", 2, float(size), "B/s", speed, size_bytes=size) for size in (1024, 4096)),
    ]
    facts = {"cores": 2, "caches": [{"level": 2, "kib": 1024, "cores": 1}, {"level": 3, "kib": 32768, "cores": 2}]}
    return Machine(Calibration(facts, {}, tuple(found), {}), "x", None)


def test_figures_of_a_machine_plot_its_medians() -> None:
    memory = fig_memory(machine()).axes[0]
    lines = {str(line.get_label()): line for line in memory.lines}
    assert {"read, 2 cores", "read, 1 core", "copy, 2 cores", "copy, 1 core"} <= set(lines)
    assert list(lines["read, 2 cores"].get_ydata()) == [8.0, 8.0, 8.0]
    # L2 is held once per core: 2 MiB on two cores; L3 once.
    assert {float(line.get_xdata()[0]) for line in memory.lines if len(set(line.get_xdata())) == 1} == {2.0 * 2**20, 32.0 * 2**20}  # type: ignore[index]
    products = fig_products(machine()).axes[0]
    assert [text.get_text() for text in products.get_xticklabels()] == ["1", "64\nsquare"]
    reduce = next(line for line in fig_allreduce(machine()).axes[0].lines)
    # 1024 bytes at 8 GB/s take 0.128 microseconds.
    np.testing.assert_allclose(np.asarray(reduce.get_ydata(), float), [0.128, 0.512])


def test_without_a_calibration_every_figure_says_why() -> None:
    empty = Machine(None, "", None, "the calibration needs torch: pip install 'frontier-kit[torch]'", "")
    for figure in (fig_memory(empty), fig_products(empty), fig_allreduce(empty), fig_bounds(empty.bounds([], isl_tokens=1, osl_tokens=2))):
        assert "pip install" in figure.axes[0].texts[0].get_text().replace("\n", " ")


def test_bounds_are_drawn_in_both_widths() -> None:
    frame = pd.DataFrame({"interactivity_tok_s_user": [100.0, 10.0], "total_tput_tok_s_gpu": [50.0, 500.0]})
    for narrow in (False, True):
        figure = fig_bounds(Bounds({"a, bf16": frame}, {}, "2 cpu cores"), narrow=narrow)
        assert list(figure.axes[0].lines[0].get_ydata()) == [50.0, 500.0]
        assert to_png(figure)
