"""Published points of the same configuration beside a run: matched row by row, compared end by end, never mixed into a frontier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.attribute.levers import as_text
from frontier.attribution import number
from frontier.compare.change import change_between, judge
from frontier.compare.sources import Source
from frontier.errors import PointsError
from frontier.records import INTERACTIVITY, METRICS, evidence_of, usable
from frontier.report.document import Estimate, estimate
from frontier.shift import MARGIN_OTHER_SYSTEM, account

# What makes a configuration the same one; a column in which a row says nothing does not speak against it, but is named.
KEY = (
    "hardware", "engine", "precision", "kv_precision", "spec", "draft_len", "disagg", "tp", "pp", "ep", "dp", "attention_dp", "gpus",
    "isl_tokens", "osl_tokens",
)  # fmt: skip
NEEDED = ("model", "hardware", "precision", "isl_tokens", "osl_tokens")
RESAMPLES = 1000


def beside_published(source: Source, published: pd.DataFrame, origin: str) -> dict[str, Any]:
    """A run's ends beside the published points of the same configuration.

    Parameters
    ----------
    source : Source
    published : DataFrame
        A normalized points table.
    origin : str
        Its file's name.

    Notes
    -----
    A published row counts for an end if some row of that end has the same value in every column of ``KEY`` that both state, the model by its name
    or one of the names that the experiment takes for it, and both state hardware, precision and lengths. Loads need not be equal: the frontiers
    are compared at equal interactivity.
    """
    ends = []
    for name, rows in source.ends().items():
        match = matching(rows, published, _names(source))
        ends.append({"end": name, **_compared(rows, published[match].reset_index(drop=True), source)})
    whole = _shift([one["rows_at"] for one in ends], published, source.metric)
    return {
        "run_id": source.run_id,
        "origin": origin,
        "evidence": evidence_of(published),
        "ends": [{key: value for key, value in one.items() if key != "rows_at"} for one in ends],
        "shift": whole,
    }


def matching(rows: pd.DataFrame, published: pd.DataFrame, names: Sequence[str]) -> NDArray[np.bool_]:
    """Which published rows have the configuration of some of the given rows, bool array of shape (len(published),)."""
    model = published["model"].isin(names).fillna(False).to_numpy(bool)
    told = published[list(NEEDED)].notna().all(axis=1).to_numpy()
    columns = [column for column in KEY if column in rows and column in published]
    theirs = {column: as_text(published[column]).fillna("").to_numpy(dtype=str) for column in columns}
    same = np.zeros(len(published), dtype=bool)
    ours = pd.DataFrame({column: as_text(rows[column]).fillna("") for column in columns}).drop_duplicates()
    for one in ours.to_dict("records"):
        equal = np.ones(len(published), dtype=bool)
        for column in columns:
            value = str(one[column])
            equal &= (theirs[column] == value) | ((theirs[column] == "") | (value == "")) & (column not in NEEDED)
        same |= equal
    return model & told & same


def _names(source: Source) -> list[str]:
    model = (source.config or {}).get("model")
    model = model if isinstance(model, Mapping) else {}
    aliases = model.get("published_ids")
    return [*map(str, source.points["model"].dropna().unique()), *map(str, aliases if isinstance(aliases, list) else [])]


def _compared(rows: pd.DataFrame, matched: pd.DataFrame, source: Source) -> dict[str, Any]:
    """The end's frontier over that of the matched rows, and the marks to draw."""
    nothing: dict[str, Any] = {"rows": len(matched), "rows_at": matched, "ratio": None, "ci95": None, "state": "not_resolved", "points": []}
    if matched.empty:
        return {**nothing, "reason": "no published row has this configuration"}
    one_model = matched.assign(model=str(rows["model"].dropna().iloc[0]))
    drawn = matched[usable(matched, source.metric)]
    points = [[number(x), number(y)] for x, y in zip(drawn[INTERACTIVITY], drawn[METRICS[source.metric]], strict=True)]
    try:
        found = account(one_model, rows, metric=source.metric, resamples=RESAMPLES, names=("the published points", source.run_id))
    except PointsError as cause:
        return {**nothing, "points": points, "reason": str(cause)}
    ratio = estimate(found["ratio"])
    change = change_between(Estimate(1.0, 1.0, 1.0), ratio)
    judged = judge(change, MARGIN_OTHER_SYSTEM)
    record = change.record()
    reason = judged.reason if ratio.defined else str(found["reason"])
    return {**nothing, "points": points, "ratio": record["ratio"], "ci95": record["ci95"], "state": judged.state, "reason": reason}


def _shift(ends: Sequence[pd.DataFrame], published: pd.DataFrame, metric: str) -> dict[str, Any] | None:
    """The published points' own shift between the two ends; None where one of them has no rows."""
    if len(ends) != 2 or any(rows.empty for rows in ends):
        return None
    one_model = [rows.assign(model=str(ends[0]["model"].iloc[0])) for rows in ends]
    try:
        found = account(*one_model, metric=metric, resamples=RESAMPLES, names=("published baseline", "published target"))
    except PointsError:
        return None
    ratio = estimate(found["ratio"])
    return {"ratio": number(ratio.value), "ci95": [ratio.low, ratio.high] if ratio.has_interval else None} if ratio.defined else None
