"""Time to first token against input length at equal concurrency: does the client send prompts as long as it says."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.bounds import ttft_floor_s
from frontier.integrity.check import Check
from frontier.integrity.columns import LAYOUT, BoolArray, groups, marks, number, predicted, span

# Prompts at least twice as long are told apart; nearer ones are not.
LONGER = 2.0
# They are answered no later than the short ones, within the 5 % that two results of one system differ by (MLPerf Endpoints draft), at equal output
# length; at another output length the decoding beside them differs too, and a quarter is left to that.
NO_LATER, NO_LATER_BESIDE = 1.05, 0.8
# TTFT at equal length and unsaturated prefill differs by at most 2.2x between output lengths of one configuration (InferenceX record), so four times
# what the length explains is not the length that is stated.
SLACK = 4.0
_LASTING = (
    "evidence", "model", "hardware", "engine", "precision", "kv_precision", "spec", "draft_len", *LAYOUT, "concurrency", "request_rate_per_s",
)  # fmt: skip
_SAME = (*_LASTING, "engine_version", "image", "date", "run_id")


def ttft_vs_load(frame: pd.DataFrame) -> pd.Series:
    """Which rows have a TTFT that the stated input length contradicts: bool, shape (rows,).

    Prefill time grows at least linearly with the prompt. Between loads of one configuration at equal concurrency and date: prompts twice as long
    or longer cannot be answered sooner, and while prefill is not saturated they cannot take more than four times what the ratio of lengths
    explains. Of two loads that contradict one another, the one is marked that more of the other loads contradict, then the one that is further
    from its own TTFT on other dates; both, if that does not decide. A TTFT below the prompt's arithmetic at the hardware's peak is marked too.
    Cached prefixes look like short prompts here.
    """
    with np.errstate(invalid="ignore"):
        impossible = number(frame, "median_ttft_s") < ttft_floor_s(frame)
    return marks(frame, (impossible | _contradicted(frame)) & ~predicted(frame))


def _contradicted(frame: pd.DataFrame) -> BoolArray:
    ttft, isl, osl = number(frame, "median_ttft_s"), number(frame, "isl_tokens"), number(frame, "osl_tokens")
    group = groups(frame, _SAME)
    cell = groups(frame.assign(_group=group), ("_group", "isl_tokens", "osl_tokens"))
    known = np.isfinite(ttft) & (ttft > 0) & np.isfinite(isl) & np.isfinite(number(frame, "concurrency"))
    if not known.any():
        return np.zeros(len(frame), dtype=bool)
    # Prefill is not saturated while even one prompt after the other leaves it idle: concurrency x TTFT within one request's latency.
    busy = number(frame, "concurrency") * ttft / number(frame, "median_e2el_s")
    rows = pd.DataFrame({"cell": cell, "group": group, "isl": isl, "osl": osl, "ttft": ttft, "busy": np.nan_to_num(busy, nan=np.inf)})[known]
    history = pd.Series(ttft).where(known).groupby(groups(frame, (*_LASTING, "isl_tokens", "osl_tokens"))).transform("median").to_numpy(dtype=float)
    rows["away"] = np.abs(np.log(ttft / history))[known]
    cells = rows.groupby("cell").median()
    several = cells.groupby("group")["isl"].transform("size") > 1
    cells = cells[several].reset_index()
    pairs = cells.merge(cells, on="group", suffixes=("", "_of"))
    pairs = pairs[pairs["cell"] != pairs["cell_of"]]
    length, time = pairs["isl"] / pairs["isl_of"], pairs["ttft"] / pairs["ttft_of"]
    free = (pairs["busy"] <= 1) & (pairs["busy_of"] <= 1)
    no_later = np.where(pairs["osl"] == pairs["osl_of"], NO_LATER, np.where(free, NO_LATER_BESIDE, 0.0))
    # `too_short`: this cell's prompts look shorter than stated beside the other's; `too_long`: longer. The two are each other's mirror image.
    too_short = ((length >= LONGER) & (time < no_later)) | (free & (length <= 1) & (time < length / SLACK))
    too_long = ((length <= 1 / LONGER) & (time * no_later > 1)) | (free & (length >= 1) & (time > SLACK * length))
    against = pairs.assign(votes=(too_short | too_long).astype(int))
    # Where a pair alone does not decide, loads of another output length that come near a contradiction count half.
    near = free & (((length >= LONGER) & (time < NO_LATER)) | ((length <= 1 / LONGER) & (time * NO_LATER > 1)))
    votes = against["votes"].where(against["votes"] > 0, 0.5 * near).groupby(against["cell"]).sum()
    mine, theirs = against["cell"].map(votes), against["cell_of"].map(votes)
    more = (mine > theirs) | ((mine == theirs) & (against["away"] >= against["away_of"]))
    guilty = against.loc[(against["votes"] > 0) & more, "cell"].unique()
    return np.asarray(np.isin(cell, guilty) & known)


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    where = mark.to_numpy(dtype=bool)
    lengths = ", ".join(f"{value:g}" for value in sorted(set(number(frame, "isl_tokens")[where]))[:4])
    return (
        f"median TTFT is {span(number(frame, 'median_ttft_s')[where])} s at a stated input of {lengths} tokens, out of line with the same "
        f"configuration at other lengths or below the least {span(ttft_floor_s(frame)[where])} s that the arithmetic takes."
    )


TTFT_VS_LOAD = Check(
    name="ttft_vs_load",
    rule="At equal configuration and concurrency longer prompts take longer to the first token, as much longer as their length explains.",
    mark=ttft_vs_load,
    saw=_saw,
    kind="harness",
)
