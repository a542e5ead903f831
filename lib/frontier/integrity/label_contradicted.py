"""A lever's label that the row's own numbers or names contradict: speculation and precision."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.bounds import tpot_floor_s, weight_bits
from frontier.integrity.check import Check
from frontier.integrity.columns import LAYOUT, LOAD, BoolArray, groups, marks, number, predicted, span, text
from frontier.integrity.duplicates import PROVENANCE
from frontier.integrity.memory import once

# One token per step is an acceptance length of exactly 1; a rounded mean may stand a hundredth above.
ONE = 1.01
# Requests differ in how many drafts are accepted, so with speculation their rates spread: p99 over median TPOT is 1.069 or more in all 229 rows
# with MTP of the InferenceX record, at any load. Within 3 % every request decoded at one rate.
SPREAD = 1.03
# Rows that agree in every setting and differ by more than this in TPOT hide a lever; nightly repeats spread by a few per cent.
TWINS = 1.25
# A row without speculation within 10 % of the median TPOT of the same configuration with it, where three or more such rows are a quarter slower.
AS_FAST, SIBLINGS = 1.10, 3
# Precision words in names, as whole words: `nvfp4`, `-fp8-`. Those of a KV cache (`kv-fp8`) are another lever; several different ones say nothing.
_WORD = r"(?<![a-z0-9])(?<!kv[-_])((?:nv|mx)?fp(?:4|8)|int(?:4|8)|bf16|fp16)(?![0-9])"


def label_contradicted(frame: pd.DataFrame) -> pd.Series:
    """Which rows carry a speculation or precision label that cannot be: bool, shape (rows,).

    An acceptance length above 1 without speculation, or of 1 with it; speculation under which all requests decode at one rate; a TPOT below the time
    that the labelled precision's active weights need at the hardware's memory bandwidth; an image, variant or model named for another weight
    precision; a row faster by a quarter than another one with the same labels, load, date and replicate, so that a label is missing; or one labelled
    without speculation that decodes as fast as its speculating siblings where its other siblings do not.
    """
    return marks(frame, np.logical_or.reduce([rule(frame) for rule in _RULES]))


@once
def _speculation(frame: pd.DataFrame) -> BoolArray:
    spec, length = text(frame, "spec"), number(frame, "acceptance_length")
    none = (spec == "none").to_numpy(dtype=bool)
    with np.errstate(invalid="ignore"):
        return np.asarray((none & (length > ONE)) | (~none & (spec != "").to_numpy(dtype=bool) & (length <= ONE)))


@once
def _one_rate(frame: pd.DataFrame) -> BoolArray:
    spec = text(frame, "spec")
    with np.errstate(invalid="ignore", divide="ignore"):
        flat = number(frame, "p99_tpot_s") / number(frame, "median_tpot_s") < SPREAD
    measured = text(frame, "evidence").isin(["measured", "published"]).to_numpy(dtype=bool)
    return np.asarray(flat & ~spec.isin(["", "none"]).to_numpy(dtype=bool) & measured)


@once
def _faster_twin(frame: pd.DataFrame) -> BoolArray:
    """Rows whose TPOT is lower by a quarter than that of a row with the same settings; columns of fractions are results, all others settings."""
    settings = [str(c) for c in frame.columns if c in LOAD or (c not in PROVENANCE and not pd.api.types.is_float_dtype(frame[c]))]
    settings += ["replicate"] if "replicate" in frame else []
    tpot = pd.Series(number(frame, "median_tpot_s"))
    slowest = tpot.groupby(groups(frame, settings)).transform("max").to_numpy(dtype=float)
    loaded = np.isfinite(number(frame, "concurrency")) | np.isfinite(number(frame, "request_rate_per_s"))
    with np.errstate(invalid="ignore"):
        return np.asarray((tpot.to_numpy() * TWINS < slowest) & loaded & ~predicted(frame))


@once
def _as_if_speculating(frame: pd.DataFrame) -> BoolArray:
    spec, tpot = text(frame, "spec"), pd.Series(number(frame, "median_tpot_s"))
    none = pd.Series((spec == "none").to_numpy(dtype=bool))
    drafting = pd.Series((~spec.isin(["", "none"])).to_numpy(dtype=bool))
    sibling = groups(frame, ("evidence", "model", "hardware", "engine", "precision", "kv_precision", *LAYOUT, *LOAD))
    with_drafts = tpot.where(drafting).groupby(sibling).transform("median")
    without, count = (tpot.where(none).groupby(sibling).transform(how) for how in ("median", "count"))
    found = none & (count >= SIBLINGS) & (without > TWINS * with_drafts) & (tpot < AS_FAST * with_drafts)
    return np.asarray(found.to_numpy(dtype=bool) & ~predicted(frame))


@once
def _below_floor(frame: pd.DataFrame) -> BoolArray:
    with np.errstate(invalid="ignore"):
        return np.asarray((number(frame, "median_tpot_s") < tpot_floor_s(frame)) & ~predicted(frame))


@once
def _named_otherwise(frame: pd.DataFrame) -> BoolArray:
    labelled = weight_bits(text(frame, "precision"))
    out = np.zeros(len(frame), dtype=bool)
    for column in ("image", "variant", "model"):
        names = text(frame, column)
        found = {name: _bits_in(name) for name in names.unique()}
        named = names.map(found).to_numpy(dtype=float)
        out |= np.isfinite(named) & np.isfinite(labelled) & (named != labelled)
    return out


def _bits_in(name: str) -> float:
    words = set(pd.Series([name]).str.findall(_WORD).iloc[0])
    bits = set(weight_bits(pd.Series(sorted(words), dtype="string"))) if words else set()
    return float(bits.pop()) if len(bits) == 1 else float("nan")


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    where = mark.to_numpy(dtype=bool)
    parts = []
    if (rows := where & _speculation(frame)).any():
        parts.append(f"acceptance length {span(number(frame, 'acceptance_length')[rows])} under speculation {_values(frame, 'spec', rows)}")
    if (rows := where & _one_rate(frame)).any():
        spread = number(frame, "p99_tpot_s") / number(frame, "median_tpot_s")
        parts.append(f"p99 over median TPOT {span(spread[rows], 4)} under speculation {_values(frame, 'spec', rows)}, which spreads it")
    if (rows := where & _faster_twin(frame)).any():
        parts.append(f"{int(rows.sum())} rows decode faster by a quarter or more than another row with the same labels, load and date")
    if (rows := where & _as_if_speculating(frame)).any():
        parts.append(f"{int(rows.sum())} rows labelled without speculation decode as fast as the same configuration with it")
    if (rows := where & _below_floor(frame)).any():
        parts.append(
            f"median TPOT {span(number(frame, 'median_tpot_s')[rows])} s below the {span(tpot_floor_s(frame)[rows])} s that the active weights take "
            f"to read at precision {_values(frame, 'precision', rows)}, speculation {_values(frame, 'spec', rows)}"
        )
    if (rows := where & _named_otherwise(frame)).any():
        parts.append(f"{int(rows.sum())} rows labelled {_values(frame, 'precision', rows)} carry a name of another precision")
    return "; ".join(parts) + "."


_RULES = (_speculation, _one_rate, _below_floor, _named_otherwise, _faster_twin, _as_if_speculating)


def _values(frame: pd.DataFrame, column: str, rows: BoolArray) -> str:
    return ", ".join(sorted(set(text(frame, column)[rows]) - {""})) or "unknown"


LABEL_CONTRADICTED = Check(
    name="label_contradicted",
    rule="Speculation and precision are what acceptance length, TPOT, image and names allow.",
    mark=label_contradicted,
    saw=_saw,
    kind="label",
)
