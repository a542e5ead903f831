"""Calibrations on disk, and what the notebook calls: this machine measured, compared with the last time, and its bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from frontier.calibration.bound import Deployment, bound_frontier
from frontier.calibration.compare import Difference, compare
from frontier.calibration.document import Calibration, read_calibration
from frontier.calibration.measure import calibrate
from frontier.calibration.shapes import KNOWN, REFERENCE, ModelShape, read_shape
from frontier.errors import ConfigError, FrontierError, MachineError, RunError
from frontier.files import write_text

FOLDER = "calibrations"


class Lines(tuple[str, ...]):
    """Sentences that a notebook shows as a list."""

    def _repr_markdown_(self) -> str:
        return "\n".join(f"- {line}" for line in self)


def keep(calibration: Calibration, artifacts: Path) -> Path:
    """Write a calibration to ``calibrations/<utc>-<machine>.json``, whole or not at all, and return its path.

    Raises
    ------
    RunError
        If the folder cannot be written.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    file = Path(artifacts) / FOLDER / f"{stamp}-{calibration.fingerprint()['machine'][:8]}.json"
    write_text(file, json.dumps(calibration.to_dict(), indent=1, sort_keys=True))
    return file


def kept(artifacts: Path) -> list[Path]:
    """Files of the calibrations kept, oldest first."""
    return sorted((Path(artifacts) / FOLDER).glob("*.json"))


def open_machine(artifacts: Path, run_id: str = "", *, quick: bool = False) -> Machine:
    """This machine measured now, or a calibration that was kept.

    Parameters
    ----------
    artifacts : Path
        Folder of the artifacts; the new calibration is kept there.
    run_id : str
        Name of a kept calibration, with or without ``.json``; empty measures.
    quick : bool
        As for :func:`frontier.calibration.measure.calibrate`.

    Raises
    ------
    RunError
        If no kept calibration has this name; the message lists those there are.
    """
    files = kept(artifacts)
    if run_id:
        names = [file.stem for file in files]
        if run_id.removesuffix(".json") not in names:
            raise RunError(f"no calibration is named {run_id!r}", hint=f"one of: {', '.join(names) or 'none is kept'}; empty measures this machine")
        place = names.index(run_id.removesuffix(".json"))
        return Machine(read_calibration(files[place]), run_id.removesuffix(".json"), _newest(files[:place]))
    try:
        found = calibrate(quick=quick)
    except MachineError as error:
        return Machine(None, "", None, f"{error.message}: {error.hint}" if error.hint else error.message, error.hint or "")
    return Machine(found, keep(found, artifacts).stem, _newest(files))


def _newest(files: Sequence[Path]) -> Calibration | None:
    return read_calibration(files[-1]) if files else None


@dataclass(frozen=True)
class Machine:
    """A calibration as a notebook shows it.

    Parameters
    ----------
    calibration : Calibration or None
        None where this environment cannot calibrate; ``missing`` says why.
    name : str
        Of the file that keeps it.
    before : Calibration or None
        The one kept before it.
    missing, install : str
        Why there is no calibration, and the command that mends it.
    """

    calibration: Calibration | None
    name: str
    before: Calibration | None
    missing: str = ""
    install: str = ""

    def identity(self) -> pd.DataFrame:
        """What this machine is; one row per fact."""
        if self.calibration is None:
            return pd.DataFrame({"value": {"not calibrated": self.missing.split(": ", 1)[0], "what to type": self.install}})
        facts, conditions = self.calibration.machine, self.calibration.conditions
        caches = {f"L{cache['level']} data cache": f"{cache['kib']} KiB for {_cores(cache['cores'])}" for cache in facts["caches"]}
        gpus = ", ".join(f"{gpu['name']} ({gpu['memory_gib']} GiB)" for gpu in facts["gpus"])
        governor = " ".join(str(part) for part in (facts["governor"], facts["max_clock_mhz"]) if part is not None)
        shown = {
            "processor": facts["cpu"],
            "cores held": str(facts["cores"]) if facts["core_quota"] is None else f"{facts['cores']}, quota {facts['core_quota']:g}",
            **(caches or {"data caches": "not told by the system"}),
            "memory": f"{facts['memory_gib']} GiB",
            "clock governor and limit, MHz": governor or "not told by the system",
            "GPUs": gpus or "none",
            "torch": f"{facts['torch']}, {facts['instructions']} instructions",
            "kernel": facts["kernel"],
            "fingerprint": self.calibration.fingerprint()["machine"][:16],
            "calibration": f"{self.name}{' (quick)' if conditions['quick'] else ''}",
            "others' work just before": f"{conditions['busy_cores']} cores",
        }
        return pd.DataFrame({"value": shown})

    def rates(self, kind: str) -> pd.DataFrame:
        """Rates of a kind in G per second, with their spread: median, quartiles, the best, repetitions."""
        columns = ["name", "device", "count", "rows", "inner", "columns", "size_bytes", "median", "q1", "q3", "best", "n"]
        table = self.calibration.table(kind) if self.calibration is not None else pd.DataFrame(columns=columns)
        table = table[[name for name in columns if name in table]].copy()
        for name in ("median", "q1", "q3", "best"):
            table[name] = (table[name].astype(float) / 1e9).round(4)
        unit = "gop_s" if kind == "matmul" else "gb_s"
        return table.rename(columns={name: f"{name}_{unit}" for name in ("median", "q1", "q3", "best")}).reset_index(drop=True)

    def absent(self) -> Lines:
        """What was not measured, and why."""
        if self.calibration is None:
            return Lines((self.missing,))
        return Lines(f"{what}: {reason}." for what, reason in self.calibration.absent.items()) or Lines(("Everything was measured.",))

    def differences(self) -> list[Difference]:
        """What changed since the calibration kept before; empty without one."""
        return [] if self.calibration is None or self.before is None else compare(self.before, self.calibration)

    def since_before(self) -> Lines:
        """The differences as sentences."""
        if self.calibration is None:
            return Lines((self.missing,))
        if self.before is None:
            return Lines(("No earlier calibration is kept here: the next one will be compared with this one.",))
        found = [str(difference) for difference in self.differences()]
        shared = {one.key for one in self.before.measurements} & {one.key for one in self.calibration.measurements}
        slower, faster = (sum(one.kind == kind for one in self.differences()) for kind in ("slower", "faster"))
        found.insert(1, f"of {len(shared)} rates that both measured, {slower} are slower and {faster} faster beyond the spread")
        if self.before.disturbed or self.calibration.disturbed:
            found.insert(2, "other work ran beside one of the two calibrations, so the differences may be that work's and not the machine's")
        return Lines(f"{line[0].upper()}{line[1:]}." for line in found)

    def shapes(self, model: str, checkpoint: str = "", cache: Path | None = None) -> list[ModelShape]:
        """The shape of a model where it is known, and the reference decoder.

        Parameters
        ----------
        model : str
            Public name.
        checkpoint : str
            A checkpoint's folder, or the name of one that the cache may hold; empty for models that are known by their public name.
        cache : Path, optional
            Folder that holds ``checkpoints/<name>-<digest>``; of several the newest counts.
        """
        found = [Path(checkpoint)] if checkpoint and (Path(checkpoint) / "config.json").is_file() else []
        if checkpoint and not found and cache is not None and "/" not in checkpoint:
            made = [file.parent for file in Path(cache).glob(f"checkpoints/{checkpoint}-*/config.json")]
            found = sorted(made, key=lambda folder: (folder.stat().st_mtime_ns, folder.name))[-1:]
        try:
            known = [read_shape(found[0])] if found else [KNOWN[model]] if model in KNOWN else []
        except ConfigError:
            known = []  # a family that the bound does not cover
        return [*known, REFERENCE]

    def bounds(self, shapes: Sequence[ModelShape], *, isl_tokens: int, osl_tokens: int) -> Bounds:
        """The bound of every shape in every precision this machine computes, on all of its cores, or on one of its GPUs."""
        if self.calibration is None:
            return Bounds({}, {"all": self.missing})
        device = "cuda" if self.calibration.of_kind("memory", "cuda") else "cpu"
        held = 1 if device == "cuda" else max(one.count for one in self.calibration.of_kind("memory", "cpu"))
        curves: dict[str, pd.DataFrame] = {}
        reasons: dict[str, str] = {}
        for shape in shapes:
            for precision in ("bf16", "fp8" if device == "cuda" else "int8"):
                label = f"{shape.name}, {precision}"
                try:
                    load = Deployment(precision, tp=held)
                    curves[label] = bound_frontier(
                        self.calibration, shape, isl_tokens=isl_tokens, osl_tokens=osl_tokens, device=device, deployment=load
                    )
                except FrontierError as error:
                    reasons[label] = error.message
        return Bounds(curves, reasons, f"{held} {device} {'core' if device == 'cpu' else 'GPU'}{'s' if held > 1 else ''}")

    def limits(self) -> Lines:
        """What these numbers do not show."""
        notes = [] if self.calibration is None else self.calibration.notes()
        always = (
            "rates are torch's: a library that is faster than torch's would raise the bound",
            "the bound leaves out norms, sampling, communication and the scheduler, which only cost time: a server stays below it, often by far",
            "an all-reduce here is that of gloo or NCCL; a server may bring its own",
        )
        return Lines(f"{line[0].upper()}{line[1:]}." for line in (*notes, *always))


@dataclass(frozen=True)
class Bounds:
    """Bounds by label, and why others are not there.

    Parameters
    ----------
    curves : mapping label -> DataFrame of :func:`frontier.calibration.bound.bound_frontier`
    reasons : mapping label -> reason
    devices : str
        What they are for.
    """

    curves: Mapping[str, pd.DataFrame]
    reasons: Mapping[str, str]
    devices: str = ""

    def table(self) -> pd.DataFrame:
        """One row per bound: its fastest user, its peak throughput per device, and what limits one sequence and the most that fit."""
        rows = [
            (
                label,
                curve["interactivity_tok_s_user"].max(),
                curve["total_tput_tok_s_gpu"].max(),
                curve["output_tput_tok_s_gpu"].max(),
                curve["limit"].iloc[0],
                curve["limit"].iloc[-1],
            )
            for label, curve in self.curves.items()
        ]
        columns = ["bound", "max_interactivity_tok_s_user", "peak_total_tput_tok_s_gpu", "peak_output_tput_tok_s_gpu", "one is limited by", "many by"]
        return pd.DataFrame(rows, columns=columns).set_index("bound").round(1)

    def absent(self) -> Lines:
        """The bounds that are not there, and why."""
        return Lines(f"{label}: {reason}." for label, reason in self.reasons.items()) or Lines(("Every bound asked for is there.",))


def _cores(count: int) -> str:
    return f"{count} core{'s' if count != 1 else ''}"
