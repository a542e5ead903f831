"""Numbers of rows: the short way for few rows and the long way for many say the same as a pandas group-by."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from frontier import records
from frontier.records import row_codes

COLUMNS = ["precision", "tp", "attention_dp", "concurrency", "note"]


def table(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)

    def pick(values: list[object]) -> list[object]:
        return [values[i] for i in rng.integers(len(values), size=rows)]

    return pd.DataFrame(
        {
            "precision": pd.Series(pick(["fp8", "fp4", pd.NA]), dtype="string"),
            "tp": pd.Series(pick([4, 8, pd.NA]), dtype="Int64"),
            "attention_dp": pd.Series(pick([True, False, pd.NA]), dtype="boolean"),
            "concurrency": pd.Series(pick([4.0, 16.0, np.nan]), dtype=float),
            "note": pick(["a", None, np.nan, pd.NA]),
        }
    )


@pytest.mark.parametrize("few", [0, 10_000])
@pytest.mark.parametrize("seed", range(5))
def test_codes_are_those_of_a_group_by(seed: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_FEW_ROWS", few)
    frame = table(300, seed)
    expected = frame.groupby(COLUMNS, dropna=False, sort=False).ngroup().to_numpy()
    assert row_codes(frame, COLUMNS).tolist() == expected.tolist()


@pytest.mark.parametrize("few", [0, 10_000])
def test_whole_numbers_are_equal_however_they_were_read(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_FEW_ROWS", few)
    frame = pd.DataFrame({"tp": pd.Series([8, 8.0, 4.0, None], dtype=object)})
    assert row_codes(frame, ["tp"]).tolist() == [0, 0, 1, 2]
    assert row_codes(frame, []).tolist() == [0, 0, 0, 0]
