"""How many GPUs a row's deployment holds, and its parallelism."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.evidence.importers.inferencex.checked import Checked, apart

AGREE = 0.01
FITS = float(np.log(1.3))  # Little's ratio of steady rows lies within 0.94 to 1.01
WHOLE = 0.02  # how far a GPU count worked out from rounded rates may be from a whole number


@dataclass(frozen=True)
class GpuCounts:
    """GPUs in all and by role (NaN where there are no roles), and the lever columns of the points table."""

    total: pd.Series[Any]
    prefill: pd.Series[Any]
    decode: pd.Series[Any]
    levers: dict[str, pd.Series[Any]]


def count_gpus(rows: Checked, split: NDArray[np.bool_], latencies: dict[str, pd.Series[Any]], mean_length: float) -> GpuCounts:
    """The GPU counts that the row's own figures bear out.

    Aggregated: TP x PP; the stated counts are TP x EP on rows of older schemas, although expert parallelism uses the same GPUs. Another
    stated count is believed only where Little's law fits it and not the product.

    Disaggregated: the stated counts of both roles, if the role throughputs weighted with them give the total. Rows of the oldest schema state
    the sum of both roles for each; there the split that reproduces the total is taken.
    """
    agg = ~split
    tp = rows.measured("decode_tp").fillna(rows.measured("prefill_tp").where(agg))
    # Deployments without decode workers state their one engine as prefill.
    ep = rows.measured("decode_ep").fillna(rows.measured("prefill_ep").where(agg))
    pp = rows.measured("decode_pp")
    stated = rows.measured("num_decode_gpu").fillna(rows.measured("num_prefill_gpu").where(agg))
    product = tp * pp.fillna(1) * rows.measured("decode_num_workers").fillna(1)
    per_gpu = rows.measured("output_tput_per_gpu")
    per_count = per_gpu / (mean_length * rows.measured("osl")) * latencies["median_e2el"] / rows.measured("conc")

    def off(count: pd.Series[Any]) -> pd.Series[Any]:
        """How far Little's law is from 1 if that many GPUs give the output, as |log|; infinite where unknown."""
        return apart(per_count * count, 1.0)

    total = product.fillna(stated)
    differs = agg & (stated != product) & stated.notna() & product.notna()
    by_ep = differs & (stated == tp * ep)
    rows.mark(by_ep, "gpu_count_is_tp_x_ep")
    believed = differs & ~by_ep & (off(stated) < FITS) & (off(product) >= FITS)
    rows.mark(believed, "gpu_count_not_tp")
    rows.mark(differs & ~by_ep & ~believed, "gpu_count_contradicts_tp")
    total = total.mask(believed, stated)
    rows.refuse(agg & total.isna(), "decode_tp", "a positive number: the GPUs cannot be counted")

    prefill, decode, solved = _roles(rows, split, off)
    total = total.mask(split, prefill + decode)
    rows.refuse(split & total.isna(), "num_decode_gpu", "a positive number on disaggregated rows, and num_prefill_gpu too")
    known = split & ~solved  # the oldest schema knows no parallelism by role
    levers: dict[str, pd.Series[Any]] = {
        "tp": tp.where(agg),
        "pp": pp.where(agg),
        "ep": ep.where(agg),
        "attention_dp": rows.flag("decode_dp_attention").where(agg),
        "gpus": total,
        "prefill_gpus": prefill,
        "decode_gpus": decode,
    }
    for role in ("prefill", "decode"):
        ranks = rows.measured(f"{role}_tp").where(known)
        spread = rows.flag(f"{role}_dp_attention")
        levers[f"{role}_tp"], levers[f"{role}_ep"] = ranks, rows.measured(f"{role}_ep").where(known)
        levers[f"{role}_dp"] = ranks.mask((spread == False).fillna(False), 1).where(spread.notna() & known)  # noqa: E712 - three-valued
        levers[f"{role}_workers"] = rows.measured(f"{role}_num_workers").where(known)
    return GpuCounts(total, prefill, decode, levers)


def _roles(
    rows: Checked, split: NDArray[np.bool_], off: Callable[[pd.Series[Any]], pd.Series[Any]]
) -> tuple[pd.Series[Any], pd.Series[Any], NDArray[np.bool_]]:
    """GPUs of both roles, and which rows they were solved for from the throughputs."""
    counts = {}
    for role in ("prefill", "decode"):
        stated = rows.measured(f"num_{role}_gpu").where(split)
        product = (rows.measured(f"{role}_tp") * rows.measured(f"{role}_pp").fillna(1) * rows.measured(f"{role}_num_workers")).where(split)
        rows.mark(stated.isna() & product.notna(), f"{role}_gpus_from_parallelism")
        counts[role] = stated.fillna(product)
    prefill, decode = counts["prefill"], counts["decode"]
    total, into, out = (rows.measured(name) for name in ("tput_per_gpu", "input_tput_per_gpu", "output_tput_per_gpu"))
    weighted = (into * prefill + out * decode) / (prefill + decode)
    plain = into + out
    wrong = split & ((weighted / total - 1).abs() > AGREE) & ~((plain / total - 1).abs() <= AGREE)
    solved = np.zeros(len(wrong), dtype=bool)
    if wrong.any():
        # total = (in P + out D) / (P + D) has one solution for the share of prefill GPUs.
        share = (total - out) / (into - out)
        # A cold start halves Little's ratio at worst in the record, so the counts are chosen by it but not refused for it.
        best = pd.Series(np.log(2.0), index=share.index)
        stated_prefill, stated_decode = prefill, decode
        for count in (stated_decode.where(stated_prefill == stated_decode), stated_prefill + stated_decode):
            guess = share * count
            whole = guess.round()
            distance = off(count - whole)
            holds = wrong & ((guess - whole).abs() < WHOLE) & (whole > 0) & (whole < count) & (distance < best)
            prefill, decode, best = prefill.mask(holds, whole), decode.mask(holds, count - whole), best.mask(holds, distance)
            solved |= np.asarray(holds, dtype=bool)
        rows.mark(solved, "role_gpus_from_throughputs")
    return prefill, decode, solved
