"""Predictions of the configurations that others measured and published, point by point."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from frontier.errors import ConfigError
from frontier.evidence.predicted import PointPrediction, WorkerChoice, known_models, predict_disagg_point, predict_point
from frontier.evidence.predicted.silicon import model_facts
from frontier.evidence.published import silicon_sample_points

BACKEND = "trtllm"
# Names of the record -> the same architecture among the models of aiconfigurator-core.
SAME_ARCHITECTURE = {
    "meta-llama/Llama-3.1-70B": "meta-llama/Meta-Llama-3.1-70B",
    "meta-llama/Llama-3.1-8B-Instruct": "meta-llama/Meta-Llama-3.1-8B",
    "nvidia/DeepSeek-R1-NVFP4": "deepseek-ai/DeepSeek-R1",
    "nvidia/DeepSeek-V3.1-NVFP4": "deepseek-ai/DeepSeek-R1",
    "deepseek-ai/DeepSeek-V3": "deepseek-ai/DeepSeek-R1",
    "nvidia/Qwen3-32B-NVFP4": "Qwen/Qwen3-32B",
    "zhipuai/GLM-5": "zai-org/GLM-5",
}
# Checkpoints whose FP8 is block-scaled (128 x 128), as their Hugging Face configurations say.
_BLOCK_FP8 = ("deepseek-ai/DeepSeek-R1", "Qwen/Qwen3-235B-A22B-FP8", "zai-org/GLM-5", "moonshotai/Kimi-K2.5")
_MXFP4 = "openai/gpt-oss-120b"
_HOPPER = ("h100_sxm", "h200_sxm")
_BF16_CHECKPOINTS = ("meta-llama/Meta-Llama-3.1-8B", "Qwen/Qwen3-32B")
COLUMNS = (
    "model", "system", "precision", "mode", "layout", "isl_tokens", "osl_tokens", "concurrency",
    "measured_interactivity_tok_s_user", "measured_total_tput_tok_s_gpu", "log_interactivity", "log_tput", "record_id",
)  # fmt: skip
LEFT_OUT_FLAGS = {
    "duplicate": "the same measurement as another row",
    "mtp_suspected": "used MTP without saying so",
    "mode_contradicted": "disaggregated, filed as aggregated",
    "gpus_unknown": "number of GPUs unknown",
    "concurrency_unknown": "concurrency unknown",
}


class _NotComparable(Exception):  # noqa: N818 - a reason, never shown as an error
    """Why a row has no prediction of the same configuration."""


@dataclass(frozen=True)
class Comparison:
    """Residuals of all rows that could be compared, and why the others could not.

    Attributes
    ----------
    residuals : DataFrame, one row per point, columns ``COLUMNS``
        ``log_interactivity`` and ``log_tput`` are log(predicted / measured) of interactivity and of total throughput per GPU.
    left_out : mapping reason -> number of rows
    """

    residuals: pd.DataFrame
    left_out: dict[str, int]


def compare(rows: pd.DataFrame | None = None) -> Comparison:
    """Predictions beside measurements of the same configuration at the same load.

    Parameters
    ----------
    rows : DataFrame, optional
        Points of :func:`~frontier.evidence.published.silicon_sample_points`; by default all of them.

    Raises
    ------
    PointsError
        If the installed wheel lacks the record.

    Notes
    -----
    Request lengths are the mean lengths of the run. Aggregated: batch per attention rank is the concurrency over the attention ranks, context
    tokens per step one prompt. Disaggregated: the batch of a decode worker counts the requests that are decoding, by Little's law the concurrency
    times ``1 - TTFT / E2EL`` (the rest waits for prefill). The database is the one that predictions use, whatever version was measured. KV cache
    FP8, BF16 for BF16 weights; neither is in the record. Rows without a precision are taken for BF16 where the checkpoint is.
    """
    points = silicon_sample_points() if rows is None else rows
    left_out: Counter[str] = Counter()
    found: list[dict[str, Any]] = []
    for row in cast(list[dict[str, Any]], points.to_dict("records")):
        try:
            found.append(_residual(row))
        except _NotComparable as reason:
            left_out[str(reason)] += 1
    residuals = pd.DataFrame(found, columns=list(COLUMNS)).sort_values(list(COLUMNS), ignore_index=True)
    return Comparison(residuals, dict(sorted(left_out.items(), key=lambda item: (-item[1], item[0]))))


def _residual(row: dict[str, Any]) -> dict[str, Any]:
    if row["engine"] != BACKEND:
        raise _NotComparable(f"engine is not {BACKEND}")
    flags = str(row["flags"]).split(";")
    for flag, reason in LEFT_OUT_FLAGS.items():
        if flag in flags:
            raise _NotComparable(reason)
    model = SAME_ARCHITECTURE.get(row["model_path"], row["model_path"])
    if model not in known_models():
        raise _NotComparable("model not in the wheel")
    form, precision = _precision(row, model)
    predicted = _predict(row, model, form)
    if not predicted.fits:
        raise _NotComparable("does not fit in memory by the model's account")
    return {
        "model": model.rsplit("/", 1)[-1],
        "system": row["hardware"],
        "precision": precision,
        "mode": "disagg" if row["disagg"] else "agg",
        "layout": _layout_name(row),
        "isl_tokens": int(row["isl_tokens"]),
        "osl_tokens": int(row["osl_tokens"]),
        "concurrency": int(row["concurrency"]),
        "measured_interactivity_tok_s_user": float(row["interactivity_tok_s_user"]),
        "measured_total_tput_tok_s_gpu": float(row["total_tput_tok_s_gpu"]),
        "log_interactivity": float(np.log(row["mean_tpot_s"] / predicted.tpot_s)),
        "log_tput": float(np.log(predicted.total_tput_tok_s_gpu / row["total_tput_tok_s_gpu"])),
        "record_id": row["record_id"],
    }


def _precision(row: dict[str, Any], model: str) -> tuple[str, str]:
    """The precision form to predict with, and its name in the points table."""
    precision = row["precision"]
    if pd.isna(precision):
        if model not in _BF16_CHECKPOINTS:
            raise _NotComparable("precision unknown")
        return "bf16", "bf16"
    if model == _MXFP4 and precision == "fp4":
        return ("w4a16_mxfp4" if row["hardware"] in _HOPPER else "w4a8_mxfp4_mxfp8"), "fp4"
    forms = {"bf16": "bf16", "fp8": "fp8_block" if model in _BLOCK_FP8 else "fp8", "fp4": "nvfp4"}
    if precision not in forms:
        raise _NotComparable(f"precision {precision} is not predicted")
    return forms[precision], str(precision)


def _predict(row: dict[str, Any], model: str, form: str) -> PointPrediction:
    fraction = float(row["mean_length_fraction"])
    isl, osl = round(row["isl_tokens"] * fraction), round(row["osl_tokens"] * fraction)
    kv = "bf16" if form == "bf16" else "fp8"
    system = str(row["hardware"])
    is_moe = model_facts(model).is_moe
    try:
        if row["disagg"]:
            decoding = row["concurrency"] * (1.0 - row["mean_ttft_s"] / row["mean_e2el_s"])
            ranks = row["decode_workers"] * row["decode_dp"]
            prefill = _worker(row, "prefill_", 1, is_moe)
            decode = _worker(row, "decode_", max(1, round(decoding / ranks)), is_moe)
            return predict_disagg_point(
                model, system, precision=form, kv_precision=kv, prefill=prefill, decode=decode, isl_tokens=isl, osl_tokens=osl
            )
        one = _worker(row, "", max(1, round(row["concurrency"] / row["dp"])), is_moe)
        return predict_point(
            model,
            system,
            precision=form,
            kv_precision=kv,
            tp=one.tp,
            pp=int(row["pp"]),
            dp=one.dp,
            moe_tp=one.moe_tp,
            moe_ep=one.moe_ep,
            batch_size=one.batch_size,
            isl_tokens=isl,
            osl_tokens=osl,
        )
    except ConfigError as error:
        raise _NotComparable(_short(error)) from error


def _worker(row: dict[str, Any], role: str, batch_size: int, is_moe: bool) -> WorkerChoice:
    tp, dp = int(row[f"{role}tp"]), int(row[f"{role}dp"])
    workers = int(row[f"{role}workers"]) if role else 1
    if not is_moe:
        return WorkerChoice(tp=tp, dp=dp, workers=workers, batch_size=batch_size)
    if pd.isna(row[f"{role}ep"]):
        raise _NotComparable("expert parallelism unknown")
    ep = int(row[f"{role}ep"])
    return WorkerChoice(tp=tp, dp=dp, moe_tp=tp * dp // ep, moe_ep=ep, workers=workers, batch_size=batch_size)


def _short(error: ConfigError) -> str:
    text = error.message
    if "all-to-all" in text:
        return "no all-to-all data in the wheel for expert parallelism over nodes"
    return "no operator data in the wheel" if "data" in text else f"refused: {text}"


def _layout_name(row: dict[str, Any]) -> str:
    """Short name of the layout; equal for points of one curve.

    >>> _layout_name({"disagg": False, "tp": 1, "dp": 8, "ep": 8})
    'tp1dp8ep8'
    """
    names = []
    for role in ("prefill_", "decode_") if row["disagg"] else ("",):
        sizes = [(name, row[f"{role}{name}"]) for name in ("tp", "dp", "ep")]
        count = f"{int(row[f'{role}workers'])}x" if role else ""
        names.append(count + "".join(f"{name}{int(size)}" for name, size in sizes if not pd.isna(size)))
    return "+".join(names)
