"""Zero, infinite, negative and absent values in any column: an account with finite numbers, or one clear error, and no warning."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from test_corrections import closed_loop

from frontier.errors import PointsError
from frontier.findings import doctor
from frontier.records import COLUMNS, normalize_points
from frontier.shift import account
from frontier.timeline import timeline

NUMBERS = [name for name, (_, dtype) in COLUMNS.items() if dtype in ("float64", "Int64")]


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan])
@pytest.mark.parametrize("column", NUMBERS)
def test_a_column_of_nonsense(column: str, value: float) -> None:
    after = closed_loop(1.1, image="e:v2", date="2026-02-01", failed_requests=0.0, warmup_requests=8.0, request_rate_per_s=np.nan)
    raw = pd.DataFrame(after).astype({column: "float64"})
    raw.loc[[0, 3], column] = value
    before = closed_loop(date="2026-01-01")
    try:
        broken = normalize_points(raw, origin="broken")
        both = normalize_points(pd.concat([before, broken]), origin="both")
        documents = [account(before, broken, resamples=40), doctor(broken), timeline(both, resamples=40)]
    except PointsError as error:
        refused = str(error)
    else:
        refused = ""
        for document in documents:
            json.dumps(document, allow_nan=False)
        shift = documents[0]
        if shift["ratio"] is not None:
            assert math.prod(factor["ratio"] for factor in shift["factors"]) == pytest.approx(shift["ratio"]["value"])
    assert not refused or column in refused, "an error names the column"
