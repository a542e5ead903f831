"""Flat rows of the record as points: by formula, with a flag where a label said otherwise, refused where nothing holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.evidence.importers.inferencex.checked import Checked
from frontier.evidence.importers.inferencex.gpus import count_gpus
from frontier.evidence.importers.inferencex.latencies import settle_latencies
from frontier.evidence.importers.inferencex.names import ENGINES, HARDWARE, MODELS, PRECISIONS, renamed
from frontier.evidence.importers.inferencex.throughput import settle_throughput
from frontier.evidence.importers.row_types import Refusal

# Prompts and answers are drawn uniformly between 80 and 100 % of the nominal length (--random-range-ratio 0.8 of the record's client),
# so the mean length is 0.9 of the nominal one.
MEAN_LENGTH = 0.9
SAME_ENERGY = 0.05  # power x window over tokens against power over rate: the windows differ by their ends


def points_of(raw: pd.DataFrame, file: str, lines: Sequence[int]) -> tuple[pd.DataFrame, list[Refusal], list[int]]:
    """The rows as columns of the points table, the refused rows, and the lines of the rows that are left.

    Parameters
    ----------
    raw : DataFrame with the flat columns of :mod:`.forms`, shape (n_rows, any)
    file : str
    lines : sequence of int, length n_rows
    """
    rows = Checked(raw, file, lines)
    rows.refuse(rows.text("benchmark_type").fillna("single_turn") != "single_turn", "benchmark_type", "single_turn: traces have no fixed lengths")
    disagg = rows.flag("disagg")
    rows.refuse(disagg.isna(), "disagg", "true or false")
    for name in ("isl", "osl", "conc"):
        rows.refuse(~(rows.number(name) > 0), name, "a positive number")
    split = disagg.fillna(False).to_numpy(bool)
    latencies = settle_latencies(rows, MEAN_LENGTH)
    gpus = count_gpus(rows, split, latencies, MEAN_LENGTH)
    rates = settle_throughput(rows, split, gpus)
    out = pd.DataFrame(index=raw.index)
    out["date"] = rows.text("date").str.slice(0, 10)
    out["model"] = renamed(rows.text("model"), MODELS)
    # The export names GPU and engine in one key (b200_sglang); the GPU stands before the first mark.
    out["hardware"] = renamed(rows.text("hardware").str.lower().str.split("[_-]", n=1, regex=True).str[0], HARDWARE)
    out["engine"] = renamed(rows.text("framework").str.lower(), ENGINES)
    out["image"] = rows.text("image")
    out["precision"] = renamed(rows.text("precision").str.lower(), PRECISIONS)
    out["spec"] = rows.text("spec_method").str.lower().fillna("none")
    out["disagg"] = disagg
    for name, values in gpus.levers.items():
        out[name] = values
    out["isl_tokens"], out["osl_tokens"], out["concurrency"] = rows.measured("isl"), rows.measured("osl"), rows.measured("conc")
    out["total_tput_tok_s_gpu"], out["output_tput_tok_s_gpu"] = rates.total, rates.output
    out["interactivity_tok_s_user"] = 1.0 / latencies["median_tpot"]
    for name in ("median_ttft", "p90_ttft", "p99_ttft", "median_tpot", "p99_tpot", "median_itl", "median_e2el", "p99_e2el"):
        out[f"{name}_s"] = latencies[name]
    for name in ("mean_ttft", "mean_tpot", "mean_e2el"):
        out[f"{name}_s"] = latencies[name]
    out["power_w_gpu"], out["joules_per_output_token"] = _power(rows, split, gpus.total, gpus.prefill, gpus.decode, rates.output)
    out["little_ratio"] = _little(rows, rates.output, gpus.total, latencies["median_e2el"])
    out["run_url"] = rows.text("run_url")
    out["flags"] = rows.flags()
    good = rows.good
    return out[good].reset_index(drop=True), rows.refused, [line for line, keep in zip(lines, good, strict=True) if keep]


def _little(rows: Checked, output: pd.Series[Any], gpus: pd.Series[Any], e2el: pd.Series[Any]) -> pd.Series[Any]:
    """Request rate x median latency / concurrency; the stated value where it cannot be computed."""
    rate = output * gpus / (MEAN_LENGTH * rows.measured("osl"))
    computed = rate * e2el / rows.measured("conc")
    stated = rows.number("little_ratio")
    rows.mark((computed / stated - 1).abs() > 0.01, "little_ratio_recomputed")
    return computed.fillna(stated)


def _power(
    rows: Checked,
    split: NDArray[np.bool_],
    gpus: pd.Series[Any],
    prefill: pd.Series[Any],
    decode: pd.Series[Any],
    output: pd.Series[Any],
) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Mean power per GPU, and energy of all GPUs per output token.

    Values that the record's own verdict withdraws (``power_valid`` 0) are left out. Before schema 2 a disaggregated row's energy counts the
    decode GPUs alone (packages/constants/src/metric-keys.ts of InferenceX-app), so it is worked out from power and throughput instead, unless it is
    the energy of all GPUs by those figures.
    """
    withheld = rows.number("power_valid") == 0
    roles = (rows.number("prefill_avg_power_w") * prefill + rows.number("decode_avg_power_w") * decode) / gpus
    stated = rows.number("avg_power_w")
    rows.mark((stated.isna() & roles.notna() & ~withheld).astype(bool), "power_from_roles")
    power = stated.fillna(roles).mask(withheld)
    energy = rows.number("joules_per_output_token").mask(withheld)
    whole = (energy * output / power - 1).abs() <= SAME_ENERGY
    decode_only = split & ~(rows.number("power_metric_schema_version") >= 2) & ~whole & energy.notna()
    rows.mark(decode_only & power.notna(), "energy_from_power")
    return power, energy.mask(decode_only, power / output)
