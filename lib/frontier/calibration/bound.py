"""The physical bound: the roofline frontier of a model on a calibrated machine, which no server can pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from frontier.calibration.ceilings import bytes_per_s, memory_bytes, operations_per_s
from frontier.calibration.document import Calibration
from frontier.calibration.shapes import ModelShape, weight_bytes
from frontier.errors import ConfigError, MachineError

SCHEMA = "frontier.bound/1"
LABEL = "physical bound of this machine"
COLUMNS = ("concurrency", "interactivity_tok_s_user", "total_tput_tok_s_gpu", "output_tput_tok_s_gpu", "step_s", "limit")
_MOST = 4096  # sequences on one replica; beyond it the curve has been flat for long


@dataclass(frozen=True)
class Deployment:
    """How a model is served; a device is a CPU core or a GPU.

    Parameters
    ----------
    precision : str
        Form of the weights (and of the arithmetic): bf16, w8a16_int8, int8, fp8, ...
    kv_precision : str
        Form of the keys and values.
    tp : int, >= 1
        Devices of one replica; one of ``replicas`` that decode.
    replicas : int, >= 1
    prefill_devices : int, >= 0
        Further devices that only prefill; 0 where the same ones do both.
    draft_len : int, >= 0
        Tokens drafted per step.
    tokens_per_step : float, 1 to draft_len + 1, optional
        Mean of the tokens a step yields (the acceptance length); by default every draft is accepted, which nothing beats.
    own_head : bool
        Whether drafts come from the model's own MTP head, which costs a pass each; others count as free.
    """

    precision: str = "bf16"
    kv_precision: str = "bf16"
    tp: int = 1
    replicas: int = 1
    prefill_devices: int = 0
    draft_len: int = 0
    tokens_per_step: float | None = None
    own_head: bool = True

    def __post_init__(self) -> None:
        for name, least in (("tp", 1), ("replicas", 1), ("prefill_devices", 0), ("draft_len", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 1.0 <= self.accepted <= self.draft_len + 1:
            raise ConfigError(f"tokens_per_step must lie between 1 and draft_len + 1 = {self.draft_len + 1}, got {self.tokens_per_step}")

    @property
    def accepted(self) -> float:
        """Tokens that a step yields."""
        return float(self.draft_len + 1 if self.tokens_per_step is None else self.tokens_per_step)


def bound_frontier(
    calibration: Calibration,
    shape: ModelShape,
    *,
    isl_tokens: int,
    osl_tokens: int,
    deployment: Deployment | None = None,
    device: str = "cpu",
    batches: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Interactivity and throughput that the machine allows at every batch.

    Parameters
    ----------
    calibration : Calibration
    shape : ModelShape
    isl_tokens, osl_tokens : int, tokens, >= 1 and >= 2
    deployment : Deployment, optional
        Bf16 on one device by default.
    device : "cpu" | "cuda"
    batches : sequence of int, >= 1, optional
        Sequences decoding at once on one replica; by default dense up to what memory holds.

    Returns
    -------
    DataFrame with columns ``concurrency`` (sequences decoding at once, of all replicas), ``interactivity_tok_s_user``, ``total_tput_tok_s_gpu``,
    ``output_tput_tok_s_gpu`` (the most at this interactivity or a higher one, per device held, prefill devices included), ``step_s`` (least time of a
    decode step) and ``limit`` (``memory``,
    ``arithmetic``, or ``requests`` where prefill and decode together exhaust the arithmetic before the steps do)

    Raises
    ------
    ConfigError
        If a length is out of range, the precision is unknown, or drafts of a head are asked of a model that has none.
    MachineError
        If the model does not fit the memory, or the calibration lacks the device or the cores.

    Notes
    -----
    The roofline (Williams, Waterman and Patterson 2009): work takes at least the larger of bytes over bandwidth and operations over rate. A step
    yields ``a`` tokens per sequence, so the steps of a request find isl, isl + a, ..., isl + osl - 1 - a tokens in the cache, in the mean
    c = isl + (osl - 1 - a) / 2. Per decode step of ``b`` sequences on ``R`` replicas::

        bytes       R W + b K c            W weights read, once for all sequences of a replica; K keys and values per token
        operations  b (1 + d) F(c)         F per token (Pope et al. 2022, section 2), d drafts to verify
        t(b)      = max(bytes / bandwidth(bytes), operations / rate)

    With drafts of the model's own head, W and the operations hold d passes of it, too. Interactivity is a / t. A request needs (osl - 1) / a steps
    and a prefill of P operations, so requests per second are at most a b / ((osl - 1) t) and, because arithmetic is shared,
    rate / (P + (osl - 1) / a (1 + d) F). Everything else is left out: reads of the prefill, norms, sampling, communication, the scheduler, idle time.
    What is left out only costs time, so this stays a bound. It holds where prompts do not repeat (a prefix cache skips their prefill) and requests
    are treated alike: where most are served fast at the expense of few, the median time per token flatters.
    """
    load = deployment or Deployment()
    if isl_tokens < 1 or osl_tokens < 2:
        raise ConfigError(f"a bound needs at least 1 input and 2 output tokens, got {isl_tokens} and {osl_tokens}")
    if load.draft_len and load.own_head and not shape.mtp_layers:
        raise ConfigError(f"{shape.name} has no MTP head to draft {load.draft_len} tokens", hint="own_head=False for drafts from elsewhere")
    decoding = load.tp * load.replicas
    held = decoding + load.prefill_devices
    drafted = load.draft_len if load.own_head else 0
    width, kv_width = weight_bytes(load.precision), weight_bytes(load.kv_precision)
    weights = load.replicas * width * (shape.step_parameters + drafted * shape.draft_parameters)
    context = isl_tokens + max(0.0, (osl_tokens - 1 - load.accepted) / 2.0)
    cache = shape.kv_bytes_per_token(kv_width) * context
    token = (1 + load.draft_len) * shape.token_operations(context) + 2.0 * drafted * shape.draft_parameters
    rate = operations_per_s(calibration, load.precision, device, decoding)
    per_request = (osl_tokens - 1) / load.accepted
    if load.prefill_devices:
        prefill_rate = operations_per_s(calibration, load.precision, device, load.prefill_devices)
        most_requests = min(prefill_rate / shape.prefill_operations(isl_tokens), rate / (per_request * token))
    else:
        most_requests = rate / (shape.prefill_operations(isl_tokens) + per_request * token)

    rows = []
    for batch in _batches(calibration, shape, load, device, isl_tokens + osl_tokens, batches):
        sequences = batch * load.replicas
        moved = weights + sequences * cache
        memory_s, arithmetic_s = moved / bytes_per_s(calibration, moved, device, decoding), sequences * token / rate
        step_s = max(memory_s, arithmetic_s)
        stepped = sequences / (per_request * step_s)
        requests = min(stepped, most_requests)
        limit = "requests" if most_requests < stepped else ("memory" if memory_s >= arithmetic_s else "arithmetic")
        output, whole = (requests * tokens / held for tokens in (osl_tokens, isl_tokens + osl_tokens))
        rows.append((sequences, load.accepted / step_s, whole, output, step_s, limit))
    frontier = pd.DataFrame(rows, columns=list(COLUMNS))
    # Where a larger batch leaves a cache it may yield less than a smaller one that is faster, too. Who asks for less speed may have the smaller one.
    for column in ("total_tput_tok_s_gpu", "output_tput_tok_s_gpu"):
        frontier[column] = frontier[column].cummax()
    return frontier


def _batches(calibration: Calibration, shape: ModelShape, load: Deployment, device: str, tokens: int, given: Sequence[int] | None) -> list[int]:
    """The batches of one replica; by default about eight per doubling, up to the largest whose weights and caches fit."""
    room = memory_bytes(calibration, device, load.tp * load.replicas) / load.replicas
    weights = shape.parameters * weight_bytes(load.precision)
    per_sequence = shape.kv_bytes_per_token(weight_bytes(load.kv_precision)) * tokens
    fits = int((room - weights) // per_sequence)
    if fits < 1:
        raise MachineError(
            f"{shape.name} in {load.precision} needs {(weights + per_sequence) / 1e9:.1f} GB per replica, got {room / 1e9:.1f} GB",
            hint="a narrower precision, more devices per replica, or a smaller model",
        )
    if given is not None:
        if not given or min(given) < 1 or max(given) > fits:
            raise ConfigError(f"batches must lie between 1 and the {fits} that fit the memory, got {list(given)}")
        return sorted(given)
    most = min(fits, _MOST)
    count = 1 + 8 * math.ceil(math.log2(most))
    return sorted({round(most ** (place / max(count - 1, 1))) for place in range(count)})


def highest(frontier: pd.DataFrame, interactivity: np.ndarray, column: str) -> np.ndarray:
    """The bound on a throughput at given interactivities.

    Parameters
    ----------
    frontier : DataFrame
        As :func:`bound_frontier` gives it.
    interactivity : float array, tokens/s/user
    column : str
        ``total_tput_tok_s_gpu`` or ``output_tput_tok_s_gpu``.

    Returns
    -------
    float array of the same shape: straight between batches, the peak below the slowest, 0 above the fastest, NaN where interactivity is NaN
    """
    order = frontier.sort_values("interactivity_tok_s_user")
    xs, ys = order["interactivity_tok_s_user"].to_numpy(float), order[column].to_numpy(float)
    # More interactivity never raises the bound; rows that another one dominates must not lower it either.
    ys = np.maximum.accumulate(ys[::-1])[::-1]
    at = np.asarray(interactivity, dtype=float)
    return np.where(np.isnan(at), np.nan, np.interp(at, xs, ys, left=float(ys[0]), right=0.0))


def bound_document(curves: Sequence[Mapping[str, object]], notes: Sequence[str] = ()) -> dict[str, object]:
    """The ``frontier.bound/1`` document that a run's folder holds as ``bound.json``.

    Parameters
    ----------
    curves : sequence of mappings
        ``label`` (str), ``frontier`` (DataFrame of :func:`bound_frontier`), and for the bound of one variant only ``variant`` (its name).
    notes : sequence of str
        What makes the bound uncertain: the calibration's notes.
    """
    out = []
    for curve in curves:
        frontier = curve["frontier"]
        if not isinstance(frontier, pd.DataFrame):
            raise ConfigError(f"a bound's frontier must be a DataFrame of bound_frontier, got {type(frontier).__name__}")
        named = {"variant": curve["variant"]} if curve.get("variant") is not None else {}
        out.append({"label": str(curve.get("label") or LABEL), **named, "points": frontier[list(COLUMNS)].to_dict("records")})
    return {"schema": SCHEMA, "curves": out, "notes": list(notes)}
