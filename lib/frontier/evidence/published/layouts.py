"""Parallel layout and GPU count of the file's rows, whose columns mean different things in different parts of the file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from frontier.evidence.published.record import DATABASE_DUMP, DATED_MULTIPLIED, GAP_OWN

_LARGEST_AGGREGATED = 8  # GPUs of the largest aggregated worker that InferenceX runs: one node


def aggregated_layout(rows: pd.DataFrame) -> pd.DataFrame:
    """Layout of aggregated rows.

    Parameters
    ----------
    rows : DataFrame
        Rows of :func:`~frontier.evidence.published.record.raw_rows` with ``mode`` ``agg``.

    Returns
    -------
    DataFrame, same index, float columns ``tp`` (attention), ``pp``, ``dp`` (attention), ``moe_tp``, ``ep``, ``gpus`` (NaN where unknown) and the bool
    columns ``multiplied`` (the file's own count was TP times EP) and ``contradicted`` (no aggregated deployment looks like this).

    Notes
    -----
    With T GPUs of tensor and E of expert parallelism, the export of 2026-04-06 and the database dump write ``tp_size = T*E, moe_tp_size = T,
    moe_ep_size = E``; with attention data parallelism ``tp_size = 1, attention_dp_size = T*E`` (TensorRT-LLM) or ``tp_size = T,
    attention_dp_size = T, moe_ep_size = T*E`` (vLLM). All of them run on T GPUs (InferenceX's ``decode_tp``; its GPU columns carry the same
    product). The ids of the dated exports still name T and E, which is what the tests check this against. The export of 2026-03-25 and
    NVIDIA's own runs write the layout as it is.
    Rows of GB200 with 12 to 72 "tensor parallel" GPUs are disaggregated deployments filed as aggregated: the same labels stand in the
    record as disaggregated three weeks later, and no aggregated worker spans nodes there.
    """
    tp, pp = rows["tp_size"], rows["pp_size"]
    dp = rows["attention_dp_size"].where(rows["attention_dp_size"] > 0, 1.0)
    moe_tp, ep = rows["moe_tp_size"], rows["moe_ep_size"]
    scattered = dp > 1
    multiplies = rows["kind"].isin([DATABASE_DUMP, DATED_MULTIPLIED])
    both = multiplies & (moe_tp > 1) & (ep > 1)
    vllm = multiplies & scattered & (moe_tp == 1) & (tp > 1)
    ranks = (tp * dp).mask(both, moe_tp).mask(vllm, tp)
    experts = ep.mask(vllm, ep / dp)
    contradicted = ranks > _LARGEST_AGGREGATED
    # A dense model has no experts: the file writes 0 or 1, which says nothing.
    experts = experts.where(experts > 0)
    replicas = rows["concurrency"] / rows["batch_size"]
    # In NVIDIA's own runs a concurrency of several batches is several replicas or attention ranks, and the file does not say which.
    unclear = (rows["kind"] == GAP_OWN) & ~(replicas == 1) | contradicted
    return pd.DataFrame(
        {
            "tp": ranks.where(~scattered, 1.0),
            "pp": pp,
            "dp": ranks.where(scattered, 1.0),
            "moe_tp": (ranks / experts).where(ranks % experts == 0),
            "ep": experts,
            "gpus": (ranks * pp).mask(unclear, np.nan),
            "multiplied": (both | vllm) & (experts > 1),
            "contradicted": contradicted,
        }
    )


def disaggregated_layout(rows: pd.DataFrame) -> pd.DataFrame:
    """Layout of disaggregated rows; GPU counts only where the file carries worker counts.

    Parameters
    ----------
    rows : DataFrame
        Rows of :func:`~frontier.evidence.published.record.raw_rows` with ``mode`` ``disagg``.

    Returns
    -------
    DataFrame, same index, float columns ``prefill_tp``, ``prefill_ep``, ``prefill_dp``, ``prefill_workers``, ``prefill_gpus``, the same
    for ``decode_``, and ``gpus``; NaN where unknown.

    Notes
    -----
    A worker holds ``tp * pp * attention_dp`` GPUs. Where worker counts are missing, so are the real expert and data parallelism (the
    columns repeat one role's values), and only the tensor parallelism is taken over.
    """
    known = rows["prefill_num_workers"].notna() & rows["decode_num_workers"].notna()
    out: dict[str, pd.Series[Any]] = {}
    for role in ("prefill", "decode"):
        tp, dp = rows[f"{role}_tp_size"], rows[f"{role}_attention_dp_size"]
        ep = rows[f"{role}_moe_ep_size"]
        out[f"{role}_tp"] = tp
        out[f"{role}_ep"] = ep.where(known & (ep > 0))
        out[f"{role}_dp"] = dp.where(known)
        out[f"{role}_workers"] = rows[f"{role}_num_workers"].where(known)
        out[f"{role}_gpus"] = out[f"{role}_workers"] * tp * rows[f"{role}_pp_size"] * dp
    out["gpus"] = out["prefill_gpus"] + out["decode_gpus"]
    return pd.DataFrame(out)
