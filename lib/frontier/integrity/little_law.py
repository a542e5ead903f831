"""Little's law: in a steady closed loop the request rate times the mean latency is the concurrency."""

from __future__ import annotations

import pandas as pd

# Steady runs with warm-up lie between 0.94 and 1.01 (5 to 95 %, public DeepSeek-R1 rows of the InferenceX record); below the lower bound
# the measured window holds start-up or idle time, above the upper one more was counted than was served.
STEADY = (0.90, 1.10)


def little_ratio(frame: pd.DataFrame) -> pd.Series:
    """Request rate x latency / concurrency of each row; NaN where a term is unknown.

    The stored ``little_ratio`` wins. Otherwise the request rate is the output throughput of all GPUs over the nominal output length, and the
    latency is the median (the mean is not part of the table), so lengths below nominal lower the ratio by that much.
    """
    stored = frame["little_ratio"].astype(float)
    gpus = frame["gpus"].astype("Float64").astype(float)
    rate = frame["output_tput_tok_s_gpu"].astype(float) * gpus / frame["osl_tokens"].astype(float)
    return stored.fillna(rate * frame["median_e2el_s"].astype(float) / frame["concurrency"].astype(float))


def little_law(frame: pd.DataFrame) -> pd.Series:
    """Which rows contradict Little's law: bool, shape (rows,); rows whose throughput was itself derived by the law are never marked."""
    ratio = little_ratio(frame)
    derived = frame["flags"].astype("string").fillna("").str.contains("littles_law")
    outside = (ratio < STEADY[0]) | (ratio > STEADY[1])
    # Nominal lengths overstate mean lengths by up to 20 % where only nominal ones are known, so a computed ratio is judged on the low side
    # only from 0.8 x the bound on.
    computed = frame["little_ratio"].isna()
    outside &= ~(computed & (ratio >= 0.8 * STEADY[0]) & (ratio <= STEADY[1]))
    return (outside & ~derived).fillna(False).astype(bool)
