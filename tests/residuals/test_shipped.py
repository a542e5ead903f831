"""The comparison that ships: it is what the code makes, it covers models left out, and the documentation shows it."""

from __future__ import annotations

import json
import math
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frontier.errors import PointsError
from frontier.evidence.published import silicon_sample_points
from frontier.evidence.residuals import (
    compare,
    curve_residuals,
    leave_one_model_out,
    model_error_document,
    model_error_markdown,
    model_error_table,
    shipped,
    shipped_comparison,
)
from frontier.evidence.residuals.__main__ import main

DOC = Path(__file__).parents[2] / "docs" / "model_error.md"
IDENTITY = ["model", "system", "precision", "mode", "layout", "isl_tokens", "osl_tokens", "concurrency"]
# One aggregated and one disaggregated curve, dense and MoE, two systems: a few rows, two databases.
SAMPLE = ("dsr1_h200_trtllm_fp8_disagg_1024x1024", "2026_04_06_llama_3_1_70b_b200_sxm_trtllm_fp4_agg_1024x1024_c16_")


def test_the_shipped_residuals_are_what_the_code_makes() -> None:
    points = silicon_sample_points()
    made = compare(points[points["record_id"].str.startswith(SAMPLE)]).residuals
    assert set(made["mode"]) == {"agg", "disagg"}
    assert len(made) >= 8
    both = made.merge(shipped_comparison().residuals, on=IDENTITY, suffixes=("", "_shipped"), how="left")
    # Where one configuration was measured twice, either repeat may match.
    for metric in ("log_interactivity", "log_tput"):
        error = (both[metric] - both[f"{metric}_shipped"]).abs().groupby(both["record_id"]).min()
        assert error.max() < 1e-3
        assert error.notna().all()


def test_every_row_of_the_record_is_compared_or_counted_with_a_reason() -> None:
    comparison = shipped_comparison()
    assert len(comparison.residuals) + sum(comparison.left_out.values()) == len(silicon_sample_points())
    assert not [reason for reason in comparison.left_out if reason.startswith("refused")]


def test_reasons_come_from_the_row() -> None:
    points = silicon_sample_points().set_index("record_id", drop=False)
    vllm = points[points["engine"] == "vllm"].head(1)
    copy = points[(points["engine"] == "trtllm") & points["flags"].str.contains("duplicate")].head(2)
    assert compare(pd.concat([vllm, copy])).left_out == {"the same measurement as another row": 2, "engine is not trtllm": 1}


def test_the_files_are_small_and_finite() -> None:
    text = (files("frontier.evidence.residuals") / "residuals.csv").read_bytes()
    assert len(text) < 100_000
    residuals = shipped_comparison().residuals
    assert np.isfinite(residuals.select_dtypes("number")).all().all()
    assert len(residuals) > 900


def test_residuals_of_another_wheel_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "wheel_version", lambda: "0.0.1")
    shipped._shipped.cache_clear()
    try:
        with pytest.raises(PointsError, match=r"installed is 0\.0\.1"):
            shipped_comparison()
    finally:
        shipped._shipped.cache_clear()


def test_curves_average_over_loads() -> None:
    one = {"model": "m", "system": "s", "precision": "fp8", "mode": "agg", "layout": "tp8", "isl_tokens": 1, "osl_tokens": 1}
    residuals = pd.DataFrame([{**one, "log_interactivity": 0.1, "log_tput": 0.0}, {**one, "log_interactivity": 0.3, "log_tput": 0.5}])
    (curve,) = curve_residuals(residuals).to_dict("records")
    assert (curve["n_points"], curve["log_interactivity"], curve["log_tput"]) == (2, pytest.approx(0.2), pytest.approx(0.25))


def test_intervals_from_the_other_models_cover_a_model_left_out() -> None:
    table = leave_one_model_out(curve_residuals(shipped_comparison().residuals))
    for metric in ("log_interactivity", "log_tput"):
        assert table[f"{metric}_covered"].mean() >= 0.85
        assert np.average(table[f"{metric}_curves_covered"], weights=table["n_curves"]) >= 0.78


def test_quantiles_of_the_table_by_hand() -> None:
    one = {"system": "s", "precision": "fp8", "mode": "agg", "layout": "tp8", "isl_tokens": 1, "osl_tokens": 1}
    rows = [
        {**one, "model": model, "concurrency": load, "layout": f"tp{load}", "log_interactivity": load / 10, "log_tput": -load / 10}
        for model in "ab"
        for load in range(1, 6)
    ]
    table = model_error_table(pd.DataFrame(rows)).set_index(["system", "metric"])
    found = table.loc[("s", "interactivity")]
    # Values 0.1 to 0.5, each twice: the median is 0.3, and five times two layouts are ten curves.
    assert (found["n_points"], found["n_curves"], found["pool"]) == (10, 10, "system+precision+mode")
    assert found["median"] == pytest.approx(0.3)
    assert table.loc[("s", "throughput"), "median"] == pytest.approx(-0.3)
    assert table.loc[("all", "throughput"), "pool"] == "mode"


def test_the_document_is_json_with_the_columns_of_its_schema() -> None:
    document = json.loads(json.dumps(model_error_document(), allow_nan=False))
    assert document["schema"] == "frontier.model_error/1"
    wanted = {"system", "precision", "mode", "pool", "n_points", "n_curves", "metric", "q05", "q25", "median", "q75", "q95"}
    for row in document["rows"]:
        assert wanted <= set(row)
        assert row["q05"] <= row["q25"] <= row["median"] <= row["q75"] <= row["q95"]
        assert not math.isnan(row["median"])
    assert "silicon_sample.csv" in document["source"]


def test_the_documentation_shows_the_shipped_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--table"]) == 0
    shown = capsys.readouterr().out
    assert shown == model_error_markdown()
    assert shown.strip() in DOC.read_text(encoding="utf-8")


def test_the_figure_draws_both_metrics_and_both_renderings() -> None:
    from frontier.report.model_error import fig_model_error  # plotting loads only where a figure is drawn

    residuals = shipped_comparison().residuals
    wide, narrow = (fig_model_error(residuals, narrow=n) for n in (False, True))
    assert [axes.get_xlabel() for axes in wide.axes] == ["measured", "measured"]
    offsets = np.vstack([np.asarray(c.get_offsets()) for c in wide.axes[0].collections])
    assert len(offsets) == len(residuals)
    assert narrow.get_size_inches()[0] < wide.get_size_inches()[0]
    assert wide._repr_png_() == wide._repr_png_()
