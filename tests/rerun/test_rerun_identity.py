"""What counts as the same to the last digit, and what is told where it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from frontier.rerun.identity import document_differences, page_differences, table_differences


def table(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"variant": ["a", "b"], "x": [1.0, np.nan], "run_id": ["1", "1"], **columns})


def test_equal_tables_have_no_difference_whatever_run_they_name() -> None:
    assert table_differences(table(), table(run_id=["2", "2"])) == []


def test_the_last_digit_counts() -> None:
    moved = table(x=[np.nextafter(1.0, 2.0), np.nan])
    assert table_differences(table(), moved) == ["x differs in 1 of 2 rows, by up to 2.2e-16 of the value"]


def test_a_value_that_became_undefined_is_a_difference() -> None:
    assert table_differences(table(), table(x=[1.0, 2.0])) == ["x differs in 1 of 2 rows"]


def test_rows_and_columns_that_one_side_lacks() -> None:
    assert table_differences(table(), table().iloc[:1]) == ["2 points in the original, 1 in the rerun"]
    assert table_differences(table(), table(y=[1, 2])) == ["column y is only in the rerun"]


def test_documents_leaf_by_leaf() -> None:
    old = {"a": {"b": [1.0, 2.0]}, "c": "x", "d": 1}
    new = {"a": {"b": [1.0, 2.5]}, "c": "x", "e": None}
    assert document_differences(old, new) == [
        "a.b[1]: 2.0 in the original, 2.5 in the rerun", "d is only in the original", "e is only in the rerun",
    ]  # fmt: skip
    assert document_differences(old, old) == []
    assert document_differences({"a": 1}, {"a": 1.0}) == ["a: 1 in the original, 1.0 in the rerun"]


def test_many_differences_are_counted() -> None:
    found = document_differences({str(i): i for i in range(30)}, {str(i): i + 1 for i in range(30)})
    assert (len(found), found[-1]) == (11, "and 20 more")


def test_reports_byte_by_byte(tmp_path: Path) -> None:
    for side, text in (("old", "<p>1.50x</p>\n"), ("new", "<p>1.51x</p>\n")):
        (tmp_path / side / "figures").mkdir(parents=True)
        (tmp_path / side / "report.html").write_text(text)
        (tmp_path / side / "figures" / "a.svg").write_text("<svg/>")
    (tmp_path / "new" / "figures" / "b.png").write_bytes(b"x")
    found = page_differences(tmp_path / "old", tmp_path / "new")
    assert found == ["figures/b.png is only in the rerun", "report.html differs, first in: -<p>1.50x</p>"]
