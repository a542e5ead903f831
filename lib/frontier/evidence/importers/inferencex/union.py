"""One measurement in several files: the site's routes give the same rows with more or fewer columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from frontier.evidence.importers.source import Source

# What tells two measurements apart: the configuration, its load and its day, and three measured values. Two runs never agree in all of those,
# and every route gives them (`benchmarks/history` leaves out images and means: packages/db/src/queries/benchmarks.ts of InferenceX-app).
IDENTITY = (
    *("date", "hardware", "framework", "model", "precision", "spec_method", "disagg", "isl", "osl", "conc"),
    *("prefill_tp", "prefill_ep", "decode_tp", "decode_ep", "num_prefill_gpu", "num_decode_gpu"),
    *("tput_per_gpu", "median_ttft", "median_tpot"),
)


def united(sources: Sequence[Source], read: Callable[[Source], pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], int]:
    """The rows of each file without those that a fuller row of any file repeats, and how many those were.

    A row that stays is the fullest of its measurement, with its empty cells filled from the others.

    Parameters
    ----------
    sources : sequence of Source
    read : callable
        Flat rows of a file with a column ``index`` that says where each stands in it.

    Returns
    -------
    dict path -> DataFrame, and int
    """
    parts = [read(source).assign(path=str(source.path)) for source in sources]
    rows = pd.concat(parts, ignore_index=True)
    unknown = rows[["tput_per_gpu", "median_ttft", "median_tpot"]].isna().any(axis=1)
    key = rows.groupby(list(IDENTITY), dropna=False, sort=False).ngroup()
    # A row without the measured values cannot be known again: it stays as it is.
    key = key.mask(unknown, -1 - pd.Series(np.arange(len(rows)), index=rows.index))
    fullest = rows.notna().sum(axis=1)
    order = pd.DataFrame({"key": key, "full": -fullest}).sort_values(["key", "full"], kind="stable").index
    ordered = rows.loc[order]
    first = ~key.loc[order].duplicated().to_numpy()
    kept = ordered.groupby(key.loc[order].to_numpy(), sort=False).first()
    kept[["path", "index"]] = ordered.loc[first, ["path", "index"]].to_numpy()
    kept["index"] = kept["index"].astype(int)
    out = {str(source.path): kept[kept["path"] == str(source.path)].sort_values("index").reset_index(drop=True) for source in sources}
    return out, len(rows) - len(kept)
