"""The recorded number of GPUs against the parallelism that the row states, and the roles' GPUs against their sum."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.check import Check
from frontier.integrity.columns import THROUGHPUT, BoolArray, FloatArray, marks, number, scaled, span, true
from frontier.integrity.memory import once
from frontier.integrity.steady import ratio_by_total, steady_ratio


def _ranks(frame: pd.DataFrame, prefix: str) -> tuple[FloatArray, BoolArray, FloatArray]:
    """GPUs by the stated parallelism of a deployment or role, whether it is stated, and the same by the other readings; shape (rows,), (rows, 3).

    Tensor ranks times pipeline stages times data-parallel ranks. With attention data parallelism the data-parallel ranks are the tensor ranks again,
    so tensor ranks alone are right as well; a row with experts spread wider than its tensor ranks may state only the experts.
    """
    tp, ep, dp = (number(frame, f"{prefix}{axis}") for axis in ("tp", "ep", "dp"))
    own = number(frame, f"{prefix}pp")  # tables of predicted points name the stages of a role as well
    pp = np.nan_to_num(np.where(np.isnan(own), number(frame, "pp"), own), nan=1.0)
    workers = np.nan_to_num(number(frame, f"{prefix}workers"), nan=1.0) if prefix else np.ones(len(frame))
    one_tp, one_ep, one_dp = (np.nan_to_num(axis, nan=1.0) for axis in (tp, ep, dp))
    tensor = one_tp * pp * workers
    full = tensor * one_dp
    inside = (one_dp == one_tp) & (true(frame, "attention_dp") | bool(prefix))
    expected = np.where(inside, tensor, full)
    experts = np.where((one_dp == 1) & (one_tp == 1), one_ep * pp * workers, np.nan)
    readings = np.stack([tensor, full, experts], axis=1)
    # A role of several GPUs whose ranks are all 1 says nothing: that is the default of records that do not keep them.
    stated = (one_tp > 1) | (one_ep > 1) | (one_dp > 1) | (np.isfinite(tp) & (prefix == ""))
    expected = np.where((one_tp == 1) & (one_dp == 1) & (one_ep > 1), one_ep * pp * workers, expected)
    return expected, np.asarray(stated), readings


@once
def _judge(frame: pd.DataFrame) -> tuple[BoolArray, FloatArray]:
    """Rows whose counts contradict one another, and the number of GPUs that their levers state (NaN if they do not); shape (rows,)."""
    gpus, roles = number(frame, "gpus"), {role: number(frame, f"{role}_gpus") for role in ("prefill", "decode")}
    apart = true(frame, "disagg")
    expected, stated, readings = _ranks(frame, "")
    with np.errstate(invalid="ignore"):
        wrong = ~apart & stated & np.isfinite(gpus) & ~(readings == gpus[:, None]).any(axis=1)
        truth = np.where(apart, 0.0, np.where(stated, expected, np.nan))
        for role, count in roles.items():
            expected, stated, readings = _ranks(frame, f"{role}_")
            nobody = (number(frame, f"{role}_workers") == 0) & (count > 0)
            off = stated & np.isfinite(count) & np.isfinite(number(frame, f"{role}_workers")) & ~(readings == count[:, None]).any(axis=1)
            wrong |= apart & (nobody | off)
            truth = truth + np.where(apart, np.where(nobody, np.nan, np.where(off, expected, count)), 0.0)
        both = roles["prefill"] + roles["decode"]
        wrong |= apart & np.isfinite(both) & np.isfinite(gpus) & (both != gpus)
    # Workers are unknown and each role counts as many GPUs as the other: where the load fits half the sum, each role counted the deployment.
    size = ratio_by_total(frame) / steady_ratio(frame)
    with np.errstate(invalid="ignore", divide="ignore"):
        twice = wrong & np.isnan(truth) & (roles["prefill"] == roles["decode"]) & (np.abs(np.log(size / 2)) < np.abs(np.log(size)))
    return np.asarray(wrong), np.where(twice, both / 2, truth)


def gpu_count(frame: pd.DataFrame) -> pd.Series:
    """Which rows record a number of GPUs that their own levers contradict: bool, shape (rows,)."""
    return marks(frame, _judge(frame)[0])


def over_true_count(frame: pd.DataFrame, mark: pd.Series) -> pd.DataFrame:
    """Throughput times recorded over true GPU count, and the true count, where the levers state one.

    Where Little's law says that the throughput fits the true count already, only the count was wrong and the throughput stays. Little's law is read
    from the total throughput and latencies; without them the throughput is taken as divided by the recorded count.
    """
    truth, gpus = _judge(frame)[1], number(frame, "gpus")
    where = mark.to_numpy(dtype=bool) & np.isfinite(truth) & (truth > 0) & np.isfinite(gpus)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = gpus / truth
        size = ratio_by_total(frame) / steady_ratio(frame)
        only_count = where & (np.abs(np.log(size / factor)) < np.abs(np.log(size)))
    out = scaled(frame, where & ~only_count, factor)
    # Requests per second are those of all GPUs: the rate stays where throughput and count move against one another, else it falls with the count.
    ratio = number(frame, "little_ratio")
    if "little_ratio" in out:
        out["little_ratio"] = np.where(only_count, ratio / np.where(only_count, factor, 1.0), ratio)
    if "gpus" in out:
        out["gpus"] = pd.array(np.where(where, np.where(where, truth, 0.0), gpus), dtype="Float64").astype(frame["gpus"].dtype)
    return out


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    where = mark.to_numpy(dtype=bool)
    truth, gpus = _judge(frame)[1], number(frame, "gpus")
    known = where & np.isfinite(truth) & (truth != gpus)
    if not known.any():
        return f"{span(gpus[where])} GPUs are recorded where prefill and decode workers or ranks state another or no number."
    return (
        f"{span(gpus[known])} GPUs are recorded where ranks and workers make {span(truth[known])}; the throughput is divided by the recorded "
        f"count in {int((known & _scaled_rows(frame, mark)).sum())} of the {int(where.sum())} rows."
    )


def _scaled_rows(frame: pd.DataFrame, mark: pd.Series) -> BoolArray:
    after = over_true_count(frame, mark)
    return np.asarray(np.logical_or.reduce([number(after, c) != number(frame, c) for c in THROUGHPUT]) & mark.to_numpy(dtype=bool))


GPU_COUNT = Check(
    name="gpu_count",
    rule="The recorded GPUs are those of the stated ranks and workers, and the GPUs of the roles add up to all.",
    mark=gpu_count,
    saw=_saw,
    kind="denominator",
    corrected=over_true_count,
)
