"""Per-GPU figures against one another and against Little's law: what was divided by what."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.check import Check
from frontier.integrity.columns import BoolArray, FloatArray, marks, number, scaled, span
from frontier.integrity.gpu_count import gpu_count, over_true_count
from frontier.integrity.memory import once
from frontier.integrity.other_count import CLOSE, FACTORS, count_factor
from frontier.integrity.steady import little_ratio, ratio_by_total, steady_ratio

# Output over total follows output length over both lengths within 2 % on 1,405 rows of the InferenceX record (lengths uniform over 80 to 100 %);
# ten requests of such lengths still keep it within 8 % (three standard deviations).
SHARE = 0.08


@once
def share_ratio(frame: pd.DataFrame) -> FloatArray:
    """Output over total throughput, relative to output over both nominal lengths: 1 if both figures have one denominator. Shape (rows,)."""
    isl, osl = number(frame, "isl_tokens"), number(frame, "osl_tokens")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(number(frame, "output_tput_tok_s_gpu") / number(frame, "total_tput_tok_s_gpu") * (isl + osl) / osl)


def denominators(frame: pd.DataFrame) -> pd.Series:
    """Which rows divide by something else than all their GPUs: bool, shape (rows,).

    Either total and output throughput differ from what the lengths give by a ratio of GPU counts, or the throughput per GPU times the GPUs is what
    another number of GPUs serves by Little's law. The second part leaves rows to ``gpu_count`` that contradict their own levers; a difference that is
    no ratio of counts is one of lengths and belongs to ``token_counts``.
    """
    other = np.isfinite(count_factor(frame)) & ~gpu_count(frame).to_numpy() & ~other_lengths(frame)
    return marks(frame, (_uneven(frame) & ~other_lengths(frame)) | other)


@once
def _uneven(frame: pd.DataFrame) -> BoolArray:
    total, output, share = number(frame, "total_tput_tok_s_gpu"), number(frame, "output_tput_tok_s_gpu"), share_ratio(frame)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.abs(share - 1) > SHARE) | (total < output))


@once
def other_lengths(frame: pd.DataFrame) -> BoolArray:
    """Rows whose output over total throughput is neither that of the stated lengths nor off by a ratio of GPU counts; shape (rows,).

    Their GPUs agree with the levers and the total holds more than the output, so what differs are the tokens.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs(np.log(share_ratio(frame)))
        roles = [np.abs(np.log(number(frame, "gpus") / number(frame, f"{role}_gpus"))) for role in ("prefill", "decode")]
    counts = np.stack([np.full(len(frame), np.log(factor)) for factor in FACTORS] + roles, axis=1)
    miss = np.abs(off[:, None] - counts)
    by_count = (np.where(np.isfinite(miss), miss, np.inf) <= CLOSE).any(axis=1)
    with np.errstate(invalid="ignore"):
        without_input = number(frame, "total_tput_tok_s_gpu") <= number(frame, "output_tput_tok_s_gpu") * (1 + SHARE)
    return np.asarray(_uneven(frame) & ~by_count & ~without_input & ~gpu_count(frame).to_numpy())


def over_all_gpus(frame: pd.DataFrame, mark: pd.Series) -> pd.DataFrame:
    """The figures over all GPUs: the one that Little's law contradicts follows from the other one and the lengths, and both fit the GPU count."""
    where = mark.to_numpy(dtype=bool)
    out = frame.copy()
    uneven = where & _uneven(frame)
    if uneven.any():
        total, output = number(out, "total_tput_tok_s_gpu"), number(out, "output_tput_tok_s_gpu")
        share = number(frame, "osl_tokens") / (number(frame, "isl_tokens") + number(frame, "osl_tokens"))
        keep_output = uneven & _output_is_right(frame)
        out["total_tput_tok_s_gpu"] = np.where(keep_output, output / share, total)
        out["output_tput_tok_s_gpu"] = np.where(uneven & ~keep_output, total * share, output)
        if "little_ratio" in out:  # it was taken from the output throughput
            ratio = number(out, "little_ratio")
            out["little_ratio"] = np.where(uneven & ~keep_output, ratio / share_ratio(frame), ratio)
    return scaled(out, where & ~gpu_count(frame).to_numpy(), 1 / count_factor(out))


@once
def _output_is_right(frame: pd.DataFrame) -> BoolArray:
    """Where the output throughput fits Little's law and the total throughput does not, also not with the GPUs that the levers state.

    Without latencies the total is taken as right unless it is not even the output's sum with the input.
    """
    steady = steady_ratio(frame)
    mended = over_true_count(frame, gpu_count(frame))
    with np.errstate(divide="ignore", invalid="ignore"):
        by_output = np.abs(np.log(ratio_by_total(frame.assign(total_tput_tok_s_gpu=np.nan)) / steady))
        by_total = np.minimum(np.abs(np.log(ratio_by_total(frame) / steady)), np.abs(np.log(ratio_by_total(mended) / steady)))
        smaller = number(frame, "total_tput_tok_s_gpu") <= number(frame, "output_tput_tok_s_gpu")
        known = np.isfinite(by_output) & np.isfinite(by_total)
        return np.asarray(np.where(known, (by_output < 0.1) & (by_total > 0.1), smaller))


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    where = mark.to_numpy(dtype=bool)
    uneven = where & _uneven(frame)
    parts = []
    if uneven.any():
        parts.append(f"output over total throughput is {span(share_ratio(frame)[uneven])} times what the lengths give in {int(uneven.sum())} rows")
    other = where & ~uneven & np.isfinite(count_factor(frame)) & ~gpu_count(frame).to_numpy()
    if other.any():
        parts.append(
            f"{int(other.sum())} rows with a Little ratio of {span(little_ratio(frame).to_numpy()[other])} fit "
            f"{span((number(frame, 'gpus') / count_factor(frame))[other])} GPUs, not the recorded {span(number(frame, 'gpus')[other])}"
        )
    return "; ".join(parts) + "."


DENOMINATORS = Check(
    name="denominators",
    rule="Every figure per GPU is divided by all GPUs: output over total follows the lengths, and the GPUs times the figure obey Little's law.",
    mark=denominators,
    saw=_saw,
    kind="denominator",
    corrected=over_all_gpus,
)
