"""The record of a calibration: what was measured on which machine, and the fingerprint that a rerun compares."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from frontier.calibration.spread import Spread
from frontier.errors import RunError

SCHEMA = "frontier.calibration/1"
KINDS = ("matmul", "memory", "copy", "allreduce")
# Facts that make a machine the same machine for a rerun: changing one of them changes what it can do, or how the kit reaches it.
IDENTITY = ("cpu", "cores", "memory_gib", "gpus", "driver", "torch")

_BUSY_CORES = 0.2  # what an idle system's own services stay below


@dataclass(frozen=True)
class Measurement:
    """One rate with its spread over repetitions.

    Parameters
    ----------
    kind : "matmul" | "memory" | "copy" | "allreduce"
    name : str
        Precision of a product; read, copy or triad; ``cpu->cuda:0``; gloo or nccl.
    device : str
        ``cpu`` or ``cuda``.
    count : int
        CPU cores held (threads), GPUs, or ranks.
    work : float
        Operations or bytes of one repetition; the formula stands with the function that measures.
    unit : "op/s" | "B/s"
    median, q1, q3, best : float, in ``unit``
    n : int
        Repetitions.
    rows, inner, columns : int, optional
        Shape of a product: (rows, inner) times (inner, columns).
    size_bytes : int, optional
        All buffers a memory operation touches; weights of a product; the message of a copy or an all-reduce.
    """

    kind: str
    name: str
    device: str
    count: int
    work: float
    unit: str
    median: float
    q1: float
    q3: float
    best: float
    n: int
    rows: int | None = None
    inner: int | None = None
    columns: int | None = None
    size_bytes: int | None = None

    @classmethod
    def of(cls, kind: str, name: str, device: str, count: int, work: float, unit: str, found: Spread, **where: int) -> Measurement:
        """A measurement from the spread of its rates."""
        return cls(kind, name, device, count, work, unit, **asdict(found), **where)

    @property
    def key(self) -> str:
        """What was measured, equal for equal measurements of two calibrations."""
        if self.kind == "matmul":
            return f"matmul {self.name} {self.rows}x{self.inner}x{self.columns} {self.device} x{self.count}"
        return f"{self.kind} {self.name} {self.size_bytes} B {self.device} x{self.count}"


@dataclass(frozen=True)
class Calibration:
    """What a machine can do.

    Parameters
    ----------
    machine : mapping
        Facts, as :func:`frontier.calibration.facts.machine_facts` gives them.
    conditions : mapping
        ``date`` (ISO), ``quick``, ``duration_s``, and ``busy_cores``: processor time that others used just before, in cores; null where unknown.
    measurements : tuple of Measurement
    absent : mapping what -> reason
        Measurements this machine cannot give.
    """

    machine: Mapping[str, Any]
    conditions: Mapping[str, Any]
    measurements: tuple[Measurement, ...]
    absent: Mapping[str, str]

    def of_kind(self, kind: str, device: str | None = None) -> list[Measurement]:
        """Measurements of a kind, on a device if one is named."""
        return [one for one in self.measurements if one.kind == kind and device in (None, one.device)]

    def table(self, kind: str) -> pd.DataFrame:
        """Measurements of a kind as rows; rates in their unit, columns that do not apply left out."""
        rows = [asdict(one) for one in self.of_kind(kind)]
        return pd.DataFrame(rows, columns=[field.name for field in fields(Measurement)]).dropna(axis=1, how="all")

    @property
    def disturbed(self) -> bool:
        """Whether other work ran when the calibration began."""
        busy = self.conditions.get("busy_cores")
        return busy is not None and float(busy) > _BUSY_CORES

    def notes(self) -> list[str]:
        """What makes these rates lower than the machine's own, and a bound from them too low; empty when nothing does."""
        found = []
        if self.disturbed:
            busy, cores = self.conditions["busy_cores"], self.machine.get("cores")
            found.append(f"other work used {busy:g} of {cores} cores when the calibration began: its rates are below the machine's own")
        if self.conditions.get("quick"):
            found.append("a quick calibration: few sizes and repetitions, so its best rates may be too low")
        return found

    def fingerprint(self) -> dict[str, Any]:
        """Digest of the machine's stable identity, and its measured speeds by key.

        Returns
        -------
        dict with ``machine`` (SHA-256, hex; equal on the same machine whatever it measured), ``identity`` (the facts behind it), ``speeds``
        (key -> [q1, median, q3])
        """
        identity = {name: self.machine.get(name) for name in IDENTITY}
        text = json.dumps(identity, sort_keys=True)
        speeds = {one.key: [one.q1, one.median, one.q3] for one in self.measurements}
        return {"machine": hashlib.sha256(text.encode()).hexdigest(), "identity": identity, "speeds": speeds}

    def to_dict(self) -> dict[str, Any]:
        """The ``frontier.calibration/1`` document."""
        measured = [{name: value for name, value in asdict(one).items() if value is not None} for one in self.measurements]
        return {
            "schema": SCHEMA,
            "machine": dict(self.machine),
            "machine_sha256": self.fingerprint()["machine"],
            "conditions": dict(self.conditions),
            "measurements": measured,
            "absent": dict(self.absent),
        }

    @classmethod
    def from_dict(cls, document: object, *, origin: str | None = None) -> Calibration:
        """The calibration in a document.

        Raises
        ------
        RunError
            If it is no ``frontier.calibration/1`` document, or a measurement lacks a field.
        """
        schema = document.get("schema") if isinstance(document, Mapping) else type(document).__name__
        if not isinstance(document, Mapping) or schema != SCHEMA:
            raise RunError(f"a calibration has schema {SCHEMA}, got {schema!r}", origin=origin, hint="measure again: notebook 00_calibrate_machine")
        try:
            measured = tuple(Measurement(**one) for one in document["measurements"])
            return cls(document["machine"], document["conditions"], measured, document["absent"])
        except (KeyError, TypeError) as cause:
            raise RunError(f"the calibration is incomplete: {cause}", origin=origin, hint="measure again: notebook 00_calibrate_machine") from cause


def read_calibration(file: Path) -> Calibration:
    """The calibration in a JSON file.

    Raises
    ------
    RunError
        If the file is missing, no JSON, or no calibration.
    """
    try:
        document = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise RunError(f"{Path(file).name} cannot be read as a calibration: {cause}", hint="measure: notebook 00_calibrate_machine") from cause
    return Calibration.from_dict(document, origin=str(file))
