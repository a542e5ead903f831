"""From the raw requests of one concurrency to a row of the points table, with all that a reader needs to doubt it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from frontier.engines.counters import acceptance_length
from frontier.load import RECOUNT_TOLERANCE, TOLERANCE, Window, cpu_share, find_steady, tokens_per_chunk, window_metrics
from frontier.schema import SweepConfig
from frontier.serving import Cores
from frontier.telemetry import BackgroundLoad, MachineProbe, clock_jumps, joules_per_output_token, power_w_gpu

NS = 1e9
NOT_STEADY = "not_steady"
BUSY = "background_load"
CLOCK = "clock_jump"
DIFFERS = "client_differs"
MISCOUNTED = "token_count_differs"
SAME_LAUNCH = "same_launch"
NO_DRAFTS = "no_draft_accepted"
LEAST_ACCEPTANCE = 1.02  # tokens per step; less, with drafts, and the drafter is broken or guesses
TOLD = "synthetic_acceptance"
BUSY_SHARE = 0.05  # of the servers' cores, taken by others


@dataclass(frozen=True)
class Cell:
    """What all points of a launch have in common.

    Parameters
    ----------
    labels : dict
        Columns that the deployment decides.
    launch_id : str
    launch_s : float, seconds until the servers answered
    recounted : float
        Tokens of one answer by the reference tokenizer over those that the server counts.
    attached : bool
        Somebody else runs the server, and it is not started anew between launches.
    run_started_s : float, seconds since the epoch
    engine_version : str
    cores : Cores
        What servers and client compute on.
    gpus_held : tuple of int
        Indices of the GPUs; empty on the CPU.
    synthetic : bool
        Drafts are accepted at a stated rate.
    before : BackgroundLoad
        What others took of the servers' cores before the launch.
    probe : MachineProbe
        Speed of the machine before the launch.
    steps_streamed : bool
        Every decoding step comes as a chunk of its own, so that chunks tell what a step yields where no counter does.
    """

    labels: dict[str, Any]
    launch_id: str
    launch_s: float
    recounted: float
    attached: bool
    run_started_s: float
    engine_version: str
    cores: Cores
    gpus_held: tuple[int, ...]
    synthetic: bool
    before: BackgroundLoad
    probe: MachineProbe
    steps_streamed: bool = False


@dataclass(frozen=True)
class Watched:
    """What was sampled while the client worked.

    Parameters
    ----------
    telemetry : DataFrame of the machine's sampler
    counters : DataFrame of the servers' counters
    cpu : DataFrame of the client's CPU time
    overhead : dict
        Means of the client less those of the servers, over the whole call.
    client_difference : dict
        Per cell the largest relative difference between a figure of the client's own summary and the raw requests.
    """

    telemetry: pd.DataFrame
    counters: pd.DataFrame
    cpu: pd.DataFrame
    overhead: Mapping[str, float]
    client_difference: Mapping[int, float]


def point_row(
    cell: Cell, requests: pd.DataFrame, concurrency: int, sweep: SweepConfig, watched: Watched, number: int
) -> tuple[dict[str, Any], bool] | None:
    """The row of the call's n-th cell, and whether the load was steady; None where no window can be laid over the requests."""
    if not len(requests):
        return None
    steady = find_steady(requests, concurrency, min_turnovers=sweep.turnovers, window_s=sweep.window_s)
    window = steady.window or _latter_part(requests, sweep)
    if window is None:
        return None
    row: dict[str, Any] = {
        "evidence": "measured",
        "source": "frontier-kit on a live server",
        "date": datetime.fromtimestamp(window.start_ns / NS, UTC).date().isoformat(),
        **cell.labels,
        "engine_version": cell.engine_version,
        **window_metrics(requests, window, gpus=int(cell.labels["gpus"]), concurrency=concurrency),
        "acceptance_length": acceptance_length(watched.counters, window.start_ns, window.end_ns),
        "launch_id": cell.launch_id,
        "launch_s": cell.launch_s,
        "token_recount": cell.recounted,
        "point_s": (int(requests["end_ns"].max()) - int(requests["start_ns"].min())) / NS,
        "measured_at_s": window.start_ns / NS - cell.run_started_s,
        "client_cpu_share": cpu_share(watched.cpu, window.start_ns, window.end_ns),
        "client_overhead_s": watched.overhead.get("client_overhead_s", float("nan")),
        "client_difference": watched.client_difference.get(number, float("nan")),
        "background_share": cell.before.disturbance,
        "probe_matmul_gflop_s": cell.probe.matmul_gflop_s,
        "probe_copy_gib_s": cell.probe.copy_gib_s,
    }
    if cell.steps_streamed and cell.labels["draft_len"] and math.isnan(row["acceptance_length"]):
        row["acceptance_length"] = tokens_per_chunk(requests, window)
    row["power_w_gpu"] = power_w_gpu(watched.telemetry, window.start_ns, window.end_ns, cell.gpus_held) if cell.gpus_held else float("nan")
    row["joules_per_output_token"] = joules_per_output_token(row["power_w_gpu"], row["output_tput_tok_s_gpu"])
    flags = [
        *([NOT_STEADY] if not steady.found else []),
        *cell.cores.flags,
        *([BUSY] if cell.before.disturbance > BUSY_SHARE else []),
        *([DIFFERS] if row["client_difference"] > TOLERANCE else []),
        *([CLOCK] if requests["mark"].notna().any() or clock_jumps(watched.telemetry) else []),
        *([MISCOUNTED] if abs(cell.recounted - 1) > RECOUNT_TOLERANCE else []),
        *([SAME_LAUNCH] if cell.attached else []),
        *([NO_DRAFTS] if row["acceptance_length"] < LEAST_ACCEPTANCE else []),
        *([TOLD] if cell.synthetic and cell.labels["draft_len"] else []),
    ]
    return {**row, "flags": ";".join(flags) or None, "valid": True}, steady.found


def _latter_part(requests: pd.DataFrame, sweep: SweepConfig) -> Window | None:
    """From the settling time to the last request sent, for a load that was never steady; None where nothing is left of it."""
    start = int(requests["start_ns"].min()) + round(sweep.settle_s * NS)
    end = int(requests["start_ns"].max())
    return Window(start, end) if end > start else None
