"""Power and energy of GPUs over a window, from samples."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import pandas as pd

# A window with a hole longer than this between samples has no energy: the draw in the hole is not known.
LONGEST_GAP_S = 5.0


def energy_j(samples: pd.DataFrame, start_ns: int, end_ns: int, gpus: Collection[int]) -> float:
    """Energy of some GPUs in a window by the trapezoid rule over their power samples, joules.

    Parameters
    ----------
    samples : DataFrame of `Sampler`
    start_ns, end_ns : int, epoch nanoseconds
    gpus : collection of int
        Indices of all GPUs that the deployment holds, idle ones too.

    Returns
    -------
    float
        NaN where a GPU has no power samples around both ends of the window, or two samples in it lie more than 5 s apart.
    """
    if not gpus or end_ns <= start_ns or not len(samples):
        return math.nan
    at = (samples["at_ns"] - start_ns).to_numpy(dtype=float) / 1e9
    length = (end_ns - start_ns) / 1e9
    total = 0.0
    for gpu in gpus:
        column = f"gpu{gpu}_power_w"
        power = samples[column].to_numpy(dtype=float) if column in samples else np.full(len(at), np.nan)
        known = np.isfinite(power)
        x, y = at[known], power[known]
        if len(x) < 2 or x[0] > 0 or x[-1] < length:
            return math.nan
        inside = (x > 0) & (x < length)
        grid = np.concatenate([[0.0], x[inside], [length]])
        around = x[max(0, int(np.searchsorted(x, 0.0, side="right")) - 1) : int(np.searchsorted(x, length)) + 1]
        if np.diff(around).max(initial=0.0) > LONGEST_GAP_S:
            return math.nan
        total += float(np.trapezoid(np.interp(grid, x, y), grid))
    return total


def power_w_gpu(samples: pd.DataFrame, start_ns: int, end_ns: int, gpus: Collection[int]) -> float:
    """Mean power per GPU in a window, watts; NaN as in `energy_j`."""
    return energy_j(samples, start_ns, end_ns, gpus) / ((end_ns - start_ns) / 1e9) / len(gpus) if gpus and end_ns > start_ns else math.nan


def joules_per_output_token(power_w_per_gpu: float, output_tput_tok_s_per_gpu: float) -> float:
    """Energy of an output token, joules; NaN where either is not known or nothing came out.

    >>> joules_per_output_token(350.0, 700.0)
    0.5
    """
    good = math.isfinite(power_w_per_gpu) and output_tput_tok_s_per_gpu > 0
    return power_w_per_gpu / output_tput_tok_s_per_gpu if good else math.nan
