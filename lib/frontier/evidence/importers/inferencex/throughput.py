"""Throughput over all GPUs, total and output, from figures whose denominators differ by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.evidence.importers.inferencex.checked import Checked
from frontier.evidence.importers.inferencex.gpus import GpuCounts

AGREE = 0.01
LENGTHS = 0.05  # tokens in and out against the nominal lengths: both are drawn from the same relative range


@dataclass(frozen=True)
class Rates:
    """Tokens per second and GPU over all GPUs, shape (n_rows,) each; NaN where unknown."""

    total: pd.Series[Any]
    output: pd.Series[Any]


def settle_throughput(rows: Checked, split: NDArray[np.bool_], gpus: GpuCounts) -> Rates:
    """Total and output throughput per GPU.

    ``tput_per_gpu`` counts input and output over all GPUs. On aggregated rows the other two have the same denominator and must add up to it; on
    disaggregated rows input is per prefill GPU and output per decode GPU, and the mean weighted by GPUs must give it. Where that fails by more
    than 1 %, the total is believed if it stands to output as the lengths do, the sum if input stands to output so, and the row is refused if
    neither.
    """
    stated, into, out = (rows.measured(name) for name in ("tput_per_gpu", "input_tput_per_gpu", "output_tput_per_gpu"))
    # Some disaggregated rows may already be divided by all GPUs: then the plain sum gives the total and the weighted one does not.
    weighted = (into * gpus.prefill + out * gpus.decode) / gpus.total
    plain = split & ((into + out) / stated - 1).abs().le(AGREE) & ~((weighted / stated - 1).abs().le(AGREE))
    rows.mark(plain, "role_throughputs_per_all_gpus")
    by_role = split & ~plain
    output = out.mask(by_role, out * gpus.decode / gpus.total)
    inputs = into.mask(by_role, into * gpus.prefill / gpus.total)
    both = inputs + output
    total = stated.fillna(both)
    rows.mark(stated.isna() & both.notna(), "total_from_sum")
    rows.refuse(total.isna() & output.isna(), "tput_per_gpu", "a positive rate, or output_tput_per_gpu and input_tput_per_gpu")
    against = ((both / stated - 1).abs() > AGREE).fillna(False)
    if against.any():
        isl, osl = rows.measured("isl"), rows.measured("osl")
        total_fits = (stated / output / ((isl + osl) / osl) - 1).abs() <= LENGTHS
        sum_fits = (inputs / output / (isl / osl) - 1).abs() <= LENGTHS
        rows.refuse(against & ~total_fits & ~sum_fits, "tput_per_gpu", "the sum of input and output throughput, or fit the lengths")
        rows.mark(against & total_fits, "input_contradicts_total")
        rows.mark(against & ~total_fits & sum_fits, "total_contradicts_sum")
        total = total.mask(against & ~total_fits & sum_fits, both)
    return Rates(total, output)
