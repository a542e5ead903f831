"""The predicted frontier of a cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import moocore
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.evidence.predicted.aggregated import AggregatedGrid, evaluate_aggregated, select_aggregated
from frontier.evidence.predicted.cell import PredictedCell, check_cell
from frontier.evidence.predicted.disaggregated import (
    DecodeWorkers,
    Pairing,
    PrefillWorker,
    evaluate_decode,
    evaluate_prefill,
    match,
    select_disaggregated,
    usable_prefill,
)
from frontier.evidence.predicted.expert_comm import has_wide_ep
from frontier.evidence.predicted.modes import data_error, resolve_modes
from frontier.evidence.predicted.precisions import Modes, precision_form
from frontier.evidence.predicted.rows import aggregated_row, disaggregated_row
from frontier.evidence.predicted.schedules import replica_sizes
from frontier.evidence.predicted.silicon import CORE_VERSION, model_facts, sm_version
from frontier.evidence.predicted.spaces import Layout, layouts
from frontier.evidence.predicted.worker import NotPriced, WorkerSpec, spec_for

_BLACKWELL_SM = 100


@dataclass
class _Tally:
    """What a search met, for the frame's attributes."""

    evaluated: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def skip(self, layout: Layout, error: NotPriced) -> None:
        self.reasons[f"{layout.label}: {error}"] += 1


def predict_cell(cell: PredictedCell) -> pd.DataFrame:
    """The non-dominated predicted points of a cell.

    Parameters
    ----------
    cell : PredictedCell

    Returns
    -------
    DataFrame, columns of the points table (``evidence`` is ``predicted``) and ``precision_form``, ``batch_size``, ``ctx_tokens``, ``moe_tp``,
    ``memory_gib``; ordered by interactivity. ``attrs["evaluated"]`` is how many configurations were evaluated, ``attrs["skipped"]`` how many
    layouts could not be priced. Empty when no configuration fits in memory or meets the TTFT limit; ``attrs["reason"]`` says which.

    Raises
    ------
    ConfigError
        For settings that are impossible, or a precision without operator data; the message has the valid choices.

    Notes
    -----
    Throughput counts as aiconfigurator 0.12.0 counts: ``osl - 1`` output tokens per request in aggregated serving, ``osl`` in disaggregated.
    Total throughput is ``output * (isl + osl) / osl``. ``gpus`` is one worker (aggregated) or one replica (disaggregated); larger
    deployments repeat it at the same figures per GPU.
    """
    version = check_cell(cell)
    modes = resolve_modes(cell.model_path, cell.system, cell.backend, version, cell.precision, cell.kv_precision)
    tally = _Tally()
    search = _disaggregated if cell.disaggregated else _aggregated
    tput: list[float] = []
    speed: list[float] = []
    picks: list[Any] = []
    for draft_len in dict.fromkeys(cell.draft_lens):
        accepted = float(cell.accepted_drafts[draft_len]) if draft_len else 0.0
        for pick, pick_speed, pick_tput in search(cell, version, modes, draft_len, accepted, tally):
            picks.append(pick)
            speed.append(pick_speed)
            tput.append(pick_tput)
    if not picks:
        return _empty(cell, version, tally)
    keep = np.flatnonzero(_nondominated(np.array(speed), np.array(tput)))
    rows = [_row(picks[i], cell) for i in keep.tolist()]
    return _frame(rows, cell, version, modes, tally)


def predict_many(cells: Iterable[PredictedCell]) -> list[pd.DataFrame]:
    """The frontiers of many cells, in order; databases, models and evaluations are shared between them (kept by content, bounded).

    Raises
    ------
    ConfigError
        As ``predict_cell``; all cells are checked before the first is computed.
    """
    wanted = list(cells)
    for cell in wanted:
        check_cell(cell)
    return [predict_cell(cell) for cell in wanted]


def _specs(cell: PredictedCell, role: str, version: str, modes: Modes, draft_len: int, tally: _Tally) -> list[WorkerSpec]:
    facts = model_facts(cell.model_path)
    found = layouts(
        cell.search_space,
        role,
        is_moe=facts.is_moe,
        family=facts.family,
        system=cell.system,
        max_gpus=cell.max_gpus,
        domain_gpus=cell.domain_gpus,
        wide_ep=has_wide_ep(role, cell.model_path, cell.system, cell.backend, version, modes.moe),
        blackwell=sm_version(cell.system) >= _BLACKWELL_SM,
    )
    specs: list[WorkerSpec] = []
    for layout in found:
        try:
            specs.append(spec_for(role, cell.model_path, cell.system, cell.backend, version, modes, layout, draft_len))
        except NotPriced as error:
            tally.skip(layout, error)
    return specs


def _aggregated(
    cell: PredictedCell, version: str, modes: Modes, draft_len: int, accepted: float, tally: _Tally
) -> Iterable[tuple[tuple[AggregatedGrid, int], float, float]]:
    for spec in _specs(cell, "aggregated", version, modes, draft_len, tally):
        try:
            grid = evaluate_aggregated(spec, cell.isl_tokens, cell.osl_tokens, accepted)
        except NotPriced as error:
            tally.skip(spec.layout, error)
            continue
        tally.evaluated += grid.evaluated
        for index in select_aggregated(grid, cell.ttft_limit_s, cell.tpot_targets_ms).tolist():
            yield (grid, index), 1000.0 / float(grid.tpot_ms[index]), float(grid.output_tput_tok_s_gpu[index])


def _disaggregated(
    cell: PredictedCell, version: str, modes: Modes, draft_len: int, accepted: float, tally: _Tally
) -> Iterable[tuple[Pairing, float, float]]:
    prefill_specs = _specs(cell, "prefill", version, modes, draft_len, tally)
    decode_specs = _specs(cell, "decode", version, modes, draft_len, tally)
    # Replicas of any size are allowed only where a layout really uses the wide all-to-all.
    wide = any(spec.comm for spec in [*prefill_specs, *decode_specs]) and any(
        has_wide_ep(role, cell.model_path, cell.system, cell.backend, version, modes.moe) for role in ("prefill", "decode")
    )
    prefill: list[PrefillWorker] = []
    for spec in prefill_specs:
        try:
            one = evaluate_prefill(spec, cell.isl_tokens, cell.osl_tokens)
        except NotPriced as error:
            tally.skip(spec.layout, error)
            continue
        tally.evaluated += 1
        if one is not None:
            prefill.append(one)
    usable = usable_prefill(prefill, cell.ttft_limit_s)
    sizes = replica_sizes(cell.max_gpus, wide)
    pairings: list[list[Pairing | None]] = []
    for spec in sorted(decode_specs, key=lambda s: s.layout.label):
        try:
            decode: DecodeWorkers = evaluate_decode(spec, cell.isl_tokens, cell.osl_tokens, accepted)
        except NotPriced as error:
            tally.skip(spec.layout, error)
            continue
        tally.evaluated += int(decode.batch_size.size)
        pairings.append(match(decode, usable, sizes))
    for pairing in select_disaggregated(pairings, cell.tpot_targets_ms):
        yield pairing, 1000.0 / pairing.tpot_ms, pairing.requests_per_s_gpu * cell.osl_tokens


def _row(pick: Any, cell: PredictedCell) -> dict[str, Any]:
    if isinstance(pick, Pairing):
        return disaggregated_row(pick, cell.isl_tokens, cell.osl_tokens)
    grid, index = pick
    return aggregated_row(grid, index, cell.isl_tokens, cell.osl_tokens)


def _nondominated(speed: NDArray[np.float64], tput: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(moocore.is_nondominated(np.column_stack([speed, tput]), maximise=True, keep_weakly=False), dtype=bool)


def _frame(rows: list[dict[str, Any]], cell: PredictedCell, version: str, modes: Modes, tally: _Tally) -> pd.DataFrame:
    table = pd.DataFrame(rows).sort_values("interactivity_tok_s_user", ignore_index=True)
    identity: dict[str, Any] = {
        "evidence": "predicted",
        "source": f"aiconfigurator-core {CORE_VERSION}, {cell.system}/{cell.backend}/{version}",
        "model": cell.model_path,
        "hardware": cell.system,
        "engine": cell.backend,
        "engine_version": version,
        "precision": precision_form(cell.precision).precision,
        "precision_form": cell.precision,
        "kv_precision": cell.kv_precision,
        "attention_precision": modes.fmha,
        "search_space": cell.search_space,
        "isl_tokens": float(cell.isl_tokens),
        "osl_tokens": float(cell.osl_tokens),
        "valid": True,
    }
    out = pd.concat([pd.DataFrame(identity, index=table.index), table], axis=1)
    out.attrs.update(evaluated=tally.evaluated, skipped=sum(tally.reasons.values()), database_version=version)
    return out


def _empty(cell: PredictedCell, version: str, tally: _Tally) -> pd.DataFrame:
    if not tally.evaluated and tally.reasons:
        # Nothing could be priced at all: that is a setting to change, not an empty result.
        cause, _ = tally.reasons.most_common(1)[0]
        raise data_error(cell.model_path, cell.system, cell.backend, version, cell.precision, cause)
    out = pd.DataFrame()
    reason = (
        f"no configuration of {cell.search_space} meets a TTFT of {cell.ttft_limit_s} s and a latency target"
        if tally.evaluated
        else f"{cell.model_path} in {cell.precision} fits in memory in no layout of {cell.search_space} on {cell.max_gpus} x {cell.system}"
    )
    out.attrs.update(evaluated=tally.evaluated, skipped=sum(tally.reasons.values()), database_version=version, reason=reason)
    return out
