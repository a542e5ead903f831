"""The physical bound of a run that was measured on this machine: what no server of its variants could beat, by the machine's own calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from frontier.calibration import Deployment, bound_document, bound_frontier, kept, read_calibration, read_shape
from frontier.provenance import machine_identity


def run_bound(points: pd.DataFrame, model: Path, artifacts: Path) -> dict[str, Any] | None:
    """The ``frontier.bound/1`` document of a run's points; None where this machine has not been calibrated.

    Parameters
    ----------
    points : DataFrame
        The run's points, measured.
    model : Path
        Folder with the model's ``config.json``.
    artifacts : Path
        Where calibrations are kept; the newest of this machine is taken.
    """
    here = machine_identity()
    found = [one for file in kept(artifacts) if (one := read_calibration(file)).machine.get("cpu") == here["cpu"]]
    if not found or found[-1].machine.get("cores") != here["cores_usable"]:
        return None
    calibration, shape = found[-1], read_shape(model)
    curves = []
    for variant, rows in points.groupby("variant", sort=False):
        row = rows.iloc[0]
        isl_tokens, osl_tokens = int(row["isl_tokens"]), int(row["osl_tokens"])
        frontier = bound_frontier(calibration, shape, isl_tokens=isl_tokens, osl_tokens=osl_tokens, deployment=_deployment(rows))
        curves.append({"label": "", "variant": str(variant), "frontier": frontier})
    return bound_document(curves, calibration.notes())


def _deployment(rows: pd.DataFrame) -> Deployment:
    """How the rows of a variant were served; accepted drafts as measured."""
    row = rows.iloc[0]
    draft_len, accepted = int(row["draft_len"]), rows["acceptance_length"].max()
    apart = bool(row["disagg"]) and row["gpus"] > row["decode_gpus"]  # prefill has devices of its own
    return Deployment(
        precision=str(row["precision"]),
        kv_precision=str(row["kv_precision"]),
        tp=int(row["tp"]),
        replicas=int(row["dp"]),
        prefill_devices=int(row["prefill_gpus"]) if apart else 0,
        draft_len=draft_len,
        tokens_per_step=float(accepted) if draft_len and pd.notna(accepted) else None,
        own_head=row["spec"] == "mtp",
    )
