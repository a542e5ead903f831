"""Rows that are one measurement twice, and rows whose times say that they used multi-token prediction without saying so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from frontier.evidence.published.record import DATABASE_DUMP, DATED_MULTIPLIED, DATED_PLAIN, GAP_INFERENCEX, GAP_OWN

# The copy that says most comes first: the dump has worker counts, the gap-analysis files are rounded.
_PREFERENCE = {DATABASE_DUMP: 0, DATED_MULTIPLIED: 1, DATED_PLAIN: 2, GAP_INFERENCEX: 3, GAP_OWN: 4}
_SAME_MS = 0.0051  # half of the coarsest rounding in the file, 0.01 ms, and a little
_SAME_LOAD = ["system", "backend", "isl", "osl", "concurrency"]
# Models of the file whose checkpoints ship a multi-token-prediction head (num_nextn_predict_layers > 0 in their configurations).
MTP_MODELS = ("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-V3", "Qwen/Qwen3.5-397B-A17B", "zhipuai/GLM-5")
_FAST_LAYOUT = 0.9  # against the same layout without MTP
_FAST_LOAD = 0.75  # against the fastest layout at the same load without MTP: looser key, so a stricter bound


def originals(rows: pd.DataFrame) -> pd.Series[Any]:
    """For each row the index of the row that it repeats, ``<NA>`` for rows that repeat none.

    Parameters
    ----------
    rows : DataFrame
        Columns of :func:`~frontier.evidence.published.record.raw_rows`.

    Returns
    -------
    Series of shape (n_rows,), Int64

    Notes
    -----
    Two rows are one measurement if system, backend, lengths and concurrency agree and both TTFT and TPOT agree to 0.01 ms: two runs never do.
    The model is not compared, because DeepSeek-R1 stands in the file as DeepSeek-R1 and as DeepSeek-V3.
    """
    by_preference = rows["kind"].map(_PREFERENCE).sort_values(kind="stable").index
    columns = [*_SAME_LOAD, "silicon_ttft_ms", "silicon_tpot_ms"]
    ordered = rows.loc[by_preference, columns].assign(place=np.arange(len(rows))).dropna(subset=["concurrency"])
    pairs = ordered.merge(ordered, on=_SAME_LOAD, suffixes=("", "_other"))
    same = pairs["place_other"] < pairs["place"]
    for time in ("silicon_ttft_ms", "silicon_tpot_ms"):
        same &= (pairs[time] - pairs[f"{time}_other"]).abs() < _SAME_MS
    first = pairs[same].groupby("place")["place_other"].min()
    found = pd.Series(pd.NA, index=rows.index, dtype="Int64")
    found.loc[by_preference[first.index.to_numpy()]] = by_preference[first.to_numpy()]
    return found


def mtp_suspected(rows: pd.DataFrame, layout: pd.DataFrame, original: pd.Series[Any]) -> pd.Series[bool]:
    """Which rows used multi-token prediction, by their times.

    Parameters
    ----------
    rows : DataFrame
        Columns of :func:`~frontier.evidence.published.record.raw_rows`.
    layout : DataFrame, same index
        ``tp``, ``dp``, ``ep`` of aggregated rows; NaN for disaggregated ones.
    original : Series, same index
        Result of :func:`originals`.

    Returns
    -------
    bool Series of shape (n_rows,)

    Notes
    -----
    The database dump holds runs without MTP only: of its rows that the labelled InferenceX record also has, all are labelled ``none``
    (105 of 105, checked against the record up to 2026-02-28). So the rule takes the dump's rows, and rows that repeat one, as reference and
    suspects a row of the dated exports

    1. if its TPOT is below 0.9 times the median of the reference rows of the same system, backend, precision, lengths, concurrency and layout
       (for disaggregated rows, whose layout the exports do not tell: below 0.75 times the fastest reference row of the same load), or
    2. if its run (system, backend, mode, date, image) has no reference row and the median of these ratios over the run is below the bound.
    """
    candidate = rows["model_path"].isin(MTP_MODELS)
    is_original = original.isna()
    known = candidate & ((rows["kind"] == DATABASE_DUMP) | (rows["kind"].reindex(original.fillna(-1).astype(int)).to_numpy() == DATABASE_DUMP))
    load = pd.Series(list(zip(*(rows[c] for c in [*_SAME_LOAD, "mode", "precision"]), strict=True)), index=rows.index)
    config = pd.Series(list(zip(load, layout["tp"], layout["dp"], layout["ep"], strict=True)), index=rows.index)
    tpot = rows["silicon_tpot_ms"]
    aggregated = rows["mode"] == "agg"
    same_layout = tpot / config.map(tpot[known & aggregated].groupby(config[known & aggregated]).median())
    same_load = tpot / load.map(tpot[known & ~aggregated].groupby(load[known & ~aggregated]).min())
    ratio = (same_layout / _FAST_LAYOUT).where(aggregated, same_load / _FAST_LOAD)
    run = [rows[c].fillna("") for c in ("system", "backend", "mode", "date", "image")]
    referenced = known.groupby(run).transform("any")
    fast_run = ratio.where(candidate).groupby(run).transform("median") < 1
    fast = (ratio < 1) | (fast_run & ~referenced)
    suspected = candidate & is_original & ~known & fast & rows["kind"].isin([DATED_MULTIPLIED, DATED_PLAIN])
    # A repeat of a suspected row is the same run.
    of_suspect = suspected.reindex(original.fillna(-1).astype(int)).fillna(False).to_numpy().astype(bool)
    return pd.Series(suspected.to_numpy(dtype=bool) | of_suspect, index=rows.index, name="mtp_suspected")
