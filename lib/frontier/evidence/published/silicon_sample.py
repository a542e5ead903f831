"""The measured points that aiconfigurator-core carries for its own validation, as a points table of kind ``published``.

Most rows are InferenceX results (SemiAnalysis, Apache-2.0, attribution required), the rest NVIDIA's own runs. What the file does not say is
derived here and flagged, or left empty.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from frontier.evidence.published.layouts import aggregated_layout, disaggregated_layout
from frontier.evidence.published.record import FILE, GAP_OWN, WHEEL, raw_rows, wheel_version
from frontier.evidence.published.repeats import mtp_suspected, originals
from frontier.records import normalize_points
from frontier.units import MS_PER_S

INFERENCEX_MEAN_LENGTH_FRACTION = 0.9  # lengths are uniform between 80 and 100 % of nominal (InferenceX benchmark client, random_range_ratio 0.8)
_R1_ID_PREFIX = "dsr1_"  # InferenceX's key for DeepSeek-R1-0528, which the database dump's rows carry under DeepSeek-V3

FLAGS = {
    "tput_by_littles_law": "throughput is not in the record; derived from concurrency, mean lengths and latencies",
    "interactivity_from_mean_tpot": "the record holds the mean TPOT, not the median",
    "latency_statistic_unknown": "the record does not say which statistic its latencies are",
    "fixed_lengths_assumed": "mean lengths taken as nominal: NVIDIA's own runs, whose length distribution is not in the record",
    "gpus_unknown": "the number of GPUs cannot be told from the record, so there is no throughput per GPU",
    "gpus_from_tp": "the record's count is TP times EP; the number of GPUs is TP",
    "concurrency_unknown": "the record does not say the concurrency",
    "precision_unlabelled": "the record does not say the precision",
    "spec_unlabelled": "the record does not say whether speculative decoding or MTP was on",
    "mtp_suspected": "faster than the same configuration without MTP, in a run that has no row without MTP",
    "model_filed_as_v3": "a DeepSeek-R1 run filed under DeepSeek-V3",
    "mode_contradicted": "filed as aggregated on more GPUs than one node; taken for disaggregated, with unknown roles",
    "work_in_progress": "marked as work in progress in the record",
    "duplicate": "the same measurement as another row of the record",
}


def silicon_sample_points() -> pd.DataFrame:
    """Every row of the file as a point.

    Returns
    -------
    DataFrame, one row per row of the file in its order, columns of the points table (``evidence`` is ``published``) and

    ``record_id``, ``duplicate_of_id``
        Row id in the file; id of the row that this one repeats.
    ``model_path``, ``precision_form``
        As given; the latter is ``gemm/moe`` quantization modes.
    ``mean_ttft_s``, ``mean_tpot_s``, ``mean_e2el_s``
        Seconds. InferenceX rows hold means (checked against the labelled record), so the table's median columns stay empty.
    ``mean_length_fraction``
        Mean request lengths over nominal ones.

    Raises
    ------
    PointsError
        If the installed wheel lacks the file.

    Notes
    -----
    ``E2EL = TTFT + TPOT * (osl_mean - 1)``; in a closed loop requests/s are ``concurrency / E2EL`` (Little's law). Output throughput is
    requests/s times ``osl_mean``, total throughput requests/s times ``isl_mean + osl_mean``, over all GPUs. Against the throughput that
    InferenceX itself reports this is about 2 % high on aggregated rows and 4 % on disaggregated ones (its window also holds the start and
    the drain), which the tests measure. No correction is made.
    """
    return _points().copy()


@lru_cache(maxsize=1)
def _points() -> pd.DataFrame:
    rows = raw_rows()
    aggregated = rows["mode"] == "agg"
    layout = aggregated_layout(rows[aggregated]).reindex(rows.index)
    apart = disaggregated_layout(rows[~aggregated]).reindex(rows.index)
    original = originals(rows)
    suspected = mtp_suspected(rows, layout, original)
    contradicted = layout["contradicted"].fillna(False).astype(bool)
    usual = aggregated & ~contradicted
    gpus = layout["gpus"].fillna(apart["gpus"])
    results = _results(rows, gpus)
    precision_form = (rows["gemm_quant_mode"] + "/" + rows["moe_quant_mode"]).where(rows["gemm_quant_mode"].notna())
    flags = {
        "tput_by_littles_law": results["total_tput_tok_s_gpu"].notna(),
        "interactivity_from_mean_tpot": rows["kind"] != GAP_OWN,
        "latency_statistic_unknown": rows["kind"] == GAP_OWN,
        "fixed_lengths_assumed": rows["kind"] == GAP_OWN,
        "gpus_unknown": gpus.isna(),
        "gpus_from_tp": layout["multiplied"].fillna(False).astype(bool),
        "concurrency_unknown": rows["concurrency"].isna(),
        "precision_unlabelled": rows["precision"].isna(),
        "spec_unlabelled": pd.Series(True, index=rows.index),
        "mtp_suspected": suspected,
        "model_filed_as_v3": rows["id"].str.startswith(_R1_ID_PREFIX) & rows["model_path"].str.endswith("/DeepSeek-V3"),
        "mode_contradicted": contradicted,
        "work_in_progress": rows["work_in_progress"],
        "duplicate": original.notna(),
    }
    source = f"{WHEEL} {wheel_version()}, {FILE}, "
    table = pd.DataFrame(
        {
            "evidence": "published",
            "source": source + rows["id"],
            "date": rows["date"],
            "model": rows["model_path"].str.rsplit("/", n=1).str[-1],
            "hardware": rows["system"],
            "engine": rows["backend"],
            "engine_version": rows["backend_version"],
            "image": rows["image"],
            "precision": rows["precision"],
            **{name: layout[name].where(usual) for name in ("tp", "pp", "ep", "dp")},
            "attention_dp": (layout["dp"] > 1).astype("boolean").mask(~usual),
            "disagg": (~aggregated).astype("boolean").mask(contradicted),
            **{str(name): apart[name] for name in apart.columns if name != "gpus"},
            "gpus": gpus,
            "isl_tokens": rows["isl"],
            "osl_tokens": rows["osl"],
            "concurrency": rows["concurrency"],
            **results,
            "flags": _joined(flags),
            "record_id": rows["id"].astype("string"),
            "duplicate_of_id": rows["id"].reindex(original.fillna(-1).astype(int)).set_axis(rows.index).astype("string"),
            "model_path": rows["model_path"].astype("string"),
            "precision_form": precision_form.astype("string"),
        }
    )
    return normalize_points(table, origin=source + "all rows")


def _results(rows: pd.DataFrame, gpus: pd.Series[Any]) -> dict[str, pd.Series[Any]]:
    fraction = pd.Series(np.where(rows["kind"] == GAP_OWN, 1.0, INFERENCEX_MEAN_LENGTH_FRACTION), index=rows.index)
    isl_mean, osl_mean = rows["isl"] * fraction, rows["osl"] * fraction
    ttft_s, tpot_s = rows["silicon_ttft_ms"] / MS_PER_S, rows["silicon_tpot_ms"] / MS_PER_S
    e2el_s = ttft_s + tpot_s * (osl_mean - 1.0)
    requests_per_s_gpu = rows["concurrency"] / e2el_s / gpus
    return {
        "total_tput_tok_s_gpu": requests_per_s_gpu * (isl_mean + osl_mean),
        "output_tput_tok_s_gpu": requests_per_s_gpu * osl_mean,
        "interactivity_tok_s_user": 1.0 / tpot_s,
        "mean_ttft_s": ttft_s,
        "mean_tpot_s": tpot_s,
        "mean_e2el_s": e2el_s,
        "mean_length_fraction": fraction,
    }


def _joined(flags: dict[str, pd.Series[bool]]) -> pd.Series[Any]:
    matrix = np.column_stack([flags[name].to_numpy(dtype=bool) for name in FLAGS])
    names = np.array(list(FLAGS), dtype=object)
    index = next(iter(flags.values())).index
    return pd.Series([";".join(names[row]) for row in matrix], index=index, dtype="string")
