"""Which rows of a points table a side of a claim means, and in what the evidence differs from the claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from frontier.claim_schema import ClaimConfig, ReadingConfig, SideConfig
from frontier.evidence.published import published_points
from frontier.records import usable

SHIPPED = "silicon_sample"
# What a claim may state of a side, and how the audit calls it.
STATED = {"hardware": "system", "precision": "precision", "engine": "engine", "spec": "speculative decoding", "disagg": "disaggregation",
          "image": "image", "tp": "tensor parallelism", "concurrency": "concurrency"}  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """The rows of both sides of a reading.

    Attributes
    ----------
    kind : "points" | "published"
    source : str
        Where they come from, in words.
    before, after : DataFrame
        Points tables with one model and one pair of lengths each; may be empty.
    """

    kind: str
    source: str
    before: pd.DataFrame
    after: pd.DataFrame

    @property
    def complete(self) -> bool:
        """Whether both sides have rows."""
        return len(self.before) > 0 and len(self.after) > 0


def merged(claimed: SideConfig, added: SideConfig) -> SideConfig:
    """The claim's side with what a reading adds to it; what the reading states wins."""
    stated = {item.name: getattr(added, item.name) for item in fields(added) if getattr(added, item.name) not in ("", None, [])}
    return replace(claimed, **stated)


def sides_of(claim: ClaimConfig, reading: ReadingConfig) -> tuple[SideConfig, SideConfig]:
    """Baseline and target of a reading."""
    return merged(claim.baseline, reading.baseline), merged(claim.target, reading.target)


def shipped_table() -> pd.DataFrame:
    """The published points that ship with the operator database, without repeats and without rows that hide MTP."""
    table = published_points(SHIPPED)
    table.attrs = {}
    return table


def select(table: pd.DataFrame, side: SideConfig, models: Sequence[str], isl: float | None, osl: float | None, metric: str) -> pd.DataFrame:
    """The usable rows of a side; a row that does not say what the side states is not one of them.

    Parameters
    ----------
    table : DataFrame
        A normalized points table.
    side : SideConfig
    models : sequence of str
        Values of ``model``; empty: all.
    isl, osl : float or None, tokens
    metric : "total" | "output"
    """
    keep = usable(table, metric)
    wanted: dict[str, Sequence[object]] = {
        "model": list(models),
        "hardware": side.hardware,
        "precision": side.precision,
        "engine": side.engine,
        "spec": side.spec,
        "isl_tokens": [] if isl is None else [isl],
        "osl_tokens": [] if osl is None else [osl],
        "concurrency": [] if side.concurrency is None else [side.concurrency],
        "tp": [] if side.tp is None else [side.tp],
        "disagg": [] if side.disagg is None else [side.disagg],
    }
    for column, values in wanted.items():
        if values:
            keep &= table[column].isin(values).fillna(False).astype(bool)
    if side.image:
        keep &= table["image"].str.contains(side.image, regex=False).fillna(False).astype(bool)
    for bound, late in ((side.date_from, False), (side.date_until, True)):
        if bound:
            keep &= ((table["date"] <= bound) if late else (table["date"] >= bound)).fillna(False).astype(bool)
    rows = table[keep].reset_index(drop=True)
    # Records file one model under several names; the reading says which of them it takes for one.
    return rows.assign(model=models[0]) if models and len(rows) else rows


def gather(table: pd.DataFrame, kind: str, source: str, claim: ClaimConfig, reading: ReadingConfig, metric: str) -> Rows:
    """The rows of both sides of a reading in one table."""
    baseline, target = sides_of(claim, reading)
    lengths = reading.isl_tokens, reading.osl_tokens
    earlier = (lengths[0] if reading.baseline_isl_tokens is None else reading.baseline_isl_tokens,
               lengths[1] if reading.baseline_osl_tokens is None else reading.baseline_osl_tokens)  # fmt: skip
    before = select(table, baseline, reading.model, *earlier, metric)
    after = select(table, target, reading.model, *lengths, metric)
    if earlier != lengths:
        # Two workloads are compared on purpose: the columns that would make them two questions are taken out.
        before, after = (rows.assign(isl_tokens=np.nan, osl_tokens=np.nan) for rows in (before, after))
    return Rows(kind, source, before, after)


def only(rows: pd.DataFrame, column: str) -> str:
    """The one value of a column; empty when there are several or none."""
    values: list[object] = list(rows[column].dropna().unique()) if len(rows) else []
    return str(values[0]) if len(values) == 1 else ""


def differences(claim: ClaimConfig, reading: ReadingConfig, *, level: bool) -> list[str]:
    """In what a reading differs from what the claim states; empty when it is what was claimed.

    Parameters
    ----------
    level : bool
        Whether the claim is about the target alone.
    """
    out = []
    if claim.metric and claim.metric not in ("total", "output"):
        out.append(f"the claim counts {claim.metric}, the evidence tokens served")
    elif claim.metric and reading.metric and reading.metric != claim.metric:
        out.append(f"the claim counts {claim.metric} tokens, the evidence {reading.metric} tokens")
    if claim.model and not set(reading.model) & set(claim.model):
        out.append(f"the claim is for {claim.model[0]}, the evidence for {reading.model[0] if reading.model else 'any model'}")
    for key, name in (("isl_tokens", "input"), ("osl_tokens", "output")):
        stated, used = getattr(claim, key), getattr(reading, key)
        if stated is not None and used != stated:
            out.append(f"the claim is for {stated:g} {name} tokens, the evidence for {'any' if used is None else format(used, 'g')}")
    names = ("target",) if level else ("baseline", "target")
    for name, used in zip(names, (sides_of(claim, reading)[1:] if level else sides_of(claim, reading)), strict=True):
        stated_side = getattr(claim, name)
        for key, word in STATED.items():
            stated, have = getattr(stated_side, key), getattr(used, key)
            if stated not in ("", None, []) and not _within(have, stated):
                out.append(f"{word} of the {name}: the claim says {_words(stated)}, the evidence has {_words(have)}")
    return [*out, *reading.other_than_claimed]


def _within(have: object, stated: object) -> bool:
    """Whether the evidence is one of what the claim states."""
    if isinstance(have, list) and isinstance(stated, list):
        return bool(have) and set(have) <= set(stated)
    return have == stated


def _words(value: object) -> str:
    if isinstance(value, list):
        return " or ".join(map(str, value)) or "any"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
