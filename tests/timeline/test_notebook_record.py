"""What the notebook on shifts shows of a points table: its steps, their factors and checks, the figure and the limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import nights, rows_of, table_of

from frontier.errors import PointsError, UsageError
from frontier.records import write_points
from frontier.report.style import to_svg
from frontier.timeline.record import open_record


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [row for i, day in enumerate(nights(6)) for row in rows_of(day, 1.0 + 0.3 * (i > 2) + 1e-4 * i, image=f"sglang:v0.5.{5 + (i > 2)}")]
    file = tmp_path / "points.parquet"
    write_points(table_of(rows), file)
    return file


def test_a_points_table_named_by_an_override(table: Path) -> None:
    record = open_record("smoke", [f"points={table}"])
    assert record.identity()["value"]["dates"] == "6, 2025-12-09 to 2025-12-14"
    (shift,) = record.shifts().to_dict("records")
    assert (shift["from"], shift["to"], shift["verdict"]) == ("2025-12-11", "2025-12-12", "software")
    assert record.factors()["factor"].prod() == pytest.approx(shift["ratio"])
    assert record.checks().empty
    assert "image v0.5.5" in to_svg(record.figure(), text=True)
    assert any("95 % interval" in note for note in record.limits())


def test_words_choose_the_series(table: Path) -> None:
    with pytest.raises(UsageError, match="no series has the words 'gb200'"):
        open_record("smoke", [f"points={table}", "series=gb200"]).figure()


def test_an_override_without_a_value_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="points needs a value"):
        open_record("smoke", ["points="])
    with pytest.raises(PointsError, match="no such points file"):
        open_record("smoke", [f"points={tmp_path / 'none.parquet'}"])
