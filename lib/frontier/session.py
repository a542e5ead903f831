"""What a notebook calls: one experiment's run, opened, measured, attributed and reported, each step in one line.

Every step keeps what is already there: a second call, or a second notebook, reads it back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from frontier import config
from frontier.attribute import attribute_run
from frontier.bounds import run_bound
from frontier.engines import get_engine
from frontier.engines.offline import offline_document
from frontier.errors import RunError
from frontier.evidence.residuals import ResidualModel, model_error_document
from frontier.files import read_json, write_atomic, write_json
from frontier.judged import judge_run, with_quality
from frontier.load import client_note
from frontier.pareto import Frontier
from frontier.places import run_trials
from frontier.plan import Part, Plan, artifacts_folder, cache_folder, make_plan, run_files
from frontier.records import Trial, normalize_points, read_points, usable, write_points
from frontier.rulebook import deviation_notes, endpoints_document
from frontier.schema import Config, PathsConfig
from frontier.snapshots import Snapshot
from frontier.store import RunFolder, Store

POINTS = {"main": "points.parquet", "companion": "companion_points.parquet"}
MEASURE_WAIT_S = 60.0  # an interrupted run's workers notice within seconds that they are orphans
DEFAULT_ARTIFACTS = PathsConfig().artifacts_dir


class Notes(tuple[str, ...]):
    """Sentences that a notebook shows as a list."""

    def _repr_markdown_(self) -> str:
        return "\n".join(f"- {note}" for note in self)


def compose(experiment: str, overrides: Sequence[str], artifacts_dir: str) -> Config:
    """The experiment's configuration; an ``artifacts_dir`` other than the default wins over the configuration's."""
    cfg = config.compose(experiment, list(overrides))
    if artifacts_dir != DEFAULT_ARTIFACTS:
        cfg = replace(cfg, paths=replace(cfg.paths, artifacts_dir=artifacts_dir))
        cfg.seal()
    return cfg


def start_run(experiment: str, overrides: Sequence[str] = (), artifacts_dir: str = DEFAULT_ARTIFACTS, run_id: str = "") -> Session:
    """The run to measure: the one named, else the one of this configuration if it exists, else a new one.

    Raises
    ------
    ConfigErrors
        If the experiment cannot be composed; nothing is created then.
    RunError
        If ``run_id`` names no run, or was planned with another configuration or engine version.
    """
    cfg = compose(experiment, overrides, artifacts_dir)
    plan = make_plan(cfg)
    store = Store(artifacts_folder(cfg), shared=cfg.place.kind != "local")
    if not run_id:
        return Session(store.open_or_create(plan.name, plan.to_dict(), lambda: run_files(cfg)), cfg, plan, store)
    run = store.find_run(run_id=run_id)
    if run.plan["digest"] != plan.digest or run.trial_digests() != [trial.digest for trial in plan.trials]:
        raise RunError(
            f"run {run_id} was planned with another configuration or another version of the engine than there is now",
            origin=str(run.path),
            hint="leave run_id empty: trials that are still valid are taken over, the rest is run",
        )
    return Session(run, cfg, plan, store)


def open_run(experiment: str, overrides: Sequence[str] = (), artifacts_dir: str = DEFAULT_ARTIFACTS, run_id: str = "") -> Session:
    """The run to analyse: the one named, else the newest of this configuration whose trials are all there.

    Raises
    ------
    RunError
        If there is none; the message says how to make one.
    """
    cfg = compose(experiment, overrides, artifacts_dir)
    store = Store(artifacts_folder(cfg), shared=cfg.place.kind != "local")
    run = store.find_run(experiment, run_id, digest=config.digest(cfg))
    kept = config.from_yaml((run.path / "config.yaml").read_text(encoding="utf-8"))
    return Session(run, kept, make_plan(kept), store)


@dataclass(frozen=True)
class Session:
    """A run with its configuration and plan.

    Parameters
    ----------
    run : RunFolder
    cfg : Config
    plan : Plan
    store : Store
    """

    run: RunFolder
    cfg: Config
    plan: Plan
    store: Store

    def identity(self) -> pd.DataFrame:
        """What this run is: experiment, digest, engine, kit and machine; one row per fact."""
        environment = read_json(self.run.path / "environment.json")
        kit, wheels = environment["kit"], environment["wheels"]
        dirty = " (with changes)" if kit["dirty"] else ""
        facts = {
            "experiment": self.cfg.name,
            "run": self.run.run_id,
            "configuration digest": self.plan.digest[:16],
            "evidence": " and ".join(part.evidence for part in self.plan.parts),
            "model": self.cfg.model.id,
            "systems": ", ".join(system.title for system in self.cfg.systems.values()) or self.cfg.hardware.title,
            "workload": f"{self.cfg.workload.isl_tokens} input, {self.cfg.workload.osl_tokens} output tokens",
            "kit": f"{kit['version']}, commit {(kit['commit'] or 'unknown')[:12]}{dirty}",
            "container": _container_text(environment.get("container")),
            "data": ", ".join(f"{name} {wheel['version']}" for name, wheel in wheels.items()) or "none",
            "GPUs here": ", ".join(gpu["name"] for gpu in environment["gpus"]) or "none",
        }
        return pd.DataFrame({"value": facts})

    @property
    def claimed(self) -> dict[str, Any]:
        """The claim's fields, for a figure that marks it."""
        return {name: getattr(self.cfg.claim, name) for name in ("ratio", "interactivity_tok_s_user", "workload")}

    def claim(self) -> Notes:
        """The published number this experiment examines, and its source."""
        claim = self.cfg.claim
        link = [f"<{claim.url}>"] if claim.url else []
        return Notes((claim.statement, f"Source: {claim.source}", *link))

    def plan_table(self) -> pd.DataFrame:
        """One row per variant: what will be run, and what cannot."""
        return self.plan.table()

    def engines(self) -> pd.DataFrame:
        """What every variant is served by, built where it was not there; one row per variant and setting. Written to ``engines.json`` the first time.

        Raises
        ------
        RunError
            If a checkpoint is incomplete or a build fails.
        """
        file = self.run.path / "engines.json"
        if not file.exists():
            engine, cache = get_engine(self.cfg), cache_folder(self.cfg)
            built = [(variant.name, one) for variant in self.plan.main.variants if not variant.infeasible for one in engine.build(variant, cache)]
            rows = [{"variant": name, "reused": one.reused, **one.manifest} for name, one in built]
            write_json(file, {"schema": "frontier.engines/1", "engines": rows})
        columns = ("variant", "engine", "checkpoint", "weights", "kv_cache", "GiB", "built_in_s", "reused")
        table = [
            (
                row["variant"], row["digest"][:16], row["checkpoint"]["named"], row["precision"]["weights"], row["precision"]["kv_cache"],
                row["bytes"] / 2**30, row["built_in_s"], row["reused"],
            )
            for row in read_json(file)["engines"]
        ]  # fmt: skip
        return pd.DataFrame(table, columns=list(columns)).set_index("variant")

    def worker_keys(self) -> pd.DataFrame:
        """Every key of every worker's configuration (rows) by engine (columns); what all have alike is there too."""
        self.engines()
        columns = {
            f"{row['variant']} {role}": _flat(document)
            for row in read_json(self.run.path / "engines.json")["engines"]
            for role, document in row["workers"].items()
        }
        return pd.DataFrame(columns).fillna("")

    def build_notes(self) -> Notes:
        """How many engines there are, and how many were made now."""
        table = self.engines()
        if table.empty:
            return Notes((f"Engine {self.cfg.engine.kind} keeps no manifests: every trial says itself what it started.",))
        made = table.loc[~table["reused"], "engine"].nunique()
        return Notes((f"{table['engine'].nunique()} engines for {table.index.nunique()} variants, {made} of them made now.",))

    def build_limits(self) -> Notes:
        """What a manifest does not hold."""
        return Notes(
            (
                "Tuned kernels and captured graphs are made anew by every server that starts; two starts of one engine may differ in them.",
                "The image is the one that the configuration names. Whether trials ran in it stands in each trial's own record.",
            )
        )

    def measure(self) -> pd.DataFrame:
        """Run the trials that have no record yet, and return the points of all.

        Raises
        ------
        RunError
            If another process measures this run, or no trial gave a point. A trial that failed is in :meth:`trials`.
        """
        file = self.run.path / POINTS["main"]
        if file.exists():
            return read_points(file)
        with self.store.lock(f"{self.run.run_id}.measure", wait_s=MEASURE_WAIT_S):
            if self.cfg.place.kind == "local" or self.run.measured():  # jobs of a cluster may be writing, and hold no lock
                self.run.remove_temporaries()
            pending = self.pending()
            run_trials(self.run, self.cfg, pending, cache_folder(self.cfg))
            if not file.exists():
                self._gather()
        return read_points(file)

    def pending(self) -> list[tuple[str, Trial]]:
        """Trials without a record, by part, after those were taken over that another run completed."""
        planned = [(part.part, trial) for part in self.plan.parts for trial in part.trials]
        missing = {trial.digest for _, trial in planned if self.run.trial_record(trial.digest) is None}
        missing -= set(self.store.reuse_trials(self.run, [trial.digest for _, trial in planned if trial.digest in missing]))
        return [(part, trial) for part, trial in planned if trial.digest in missing]

    def _gather(self) -> None:
        """Write the tables that the trials make together; the main points last."""
        if "predicted" in (part.engine for part in self.plan.parts):
            write_json(self.run.path / "model_error.json", model_error_document())
        for part in reversed(self.plan.parts):
            frames = [frame for trial in part.trials if (frame := self.run.trial_points(trial.digest)) is not None]
            if frames:
                table = pd.concat(frames, ignore_index=True)
                judged = judge_run(self.run, self.cfg, part) if part.part == "main" else None
                if judged is not None:
                    write_json(self.run.path / "quality.json", judged[0])
                    table = normalize_points(with_quality(table, judged[1]), origin="the run's points and its quality gate")
                if part.part == "main":
                    self._keep_bound(part, table)
                    folders = [self.run.trial_folder(trial.digest) for trial in part.trials]
                    offline = offline_document(folders, [variant.name for variant in part.variants])
                    if offline is not None:
                        write_json(self.run.path / "offline.json", offline)
                    if self.cfg.sweep.kind == "mlperf_endpoints" and part.evidence == "measured":
                        write_json(self.run.path / "endpoints.json", endpoints_document(table, self.cfg))
                write_atomic(self.run.path / POINTS[part.part], lambda temporary, table=table: write_points(table, temporary))  # type: ignore[misc]
            elif part.part == "main":
                reasons = sorted({str((self.run.trial_record(trial.digest) or {}).get("reason", "not run")) for trial in part.trials})
                raise RunError("no trial gave a point", origin=str(self.run.path), hint="; ".join(reasons))

    def _keep_bound(self, part: Part, points: pd.DataFrame) -> None:
        """Write ``bound.json`` where the points were measured on this machine, and the machine has been calibrated."""
        if self.cfg.place.kind != "local":
            return  # this is not the machine that the points were measured on
        model = get_engine(self.cfg, part.part).model_folder(cache_folder(self.cfg)) if part.evidence == "measured" else None
        if model is None or not (model / "config.json").is_file():
            return
        document = run_bound(points, model, artifacts_folder(self.cfg))
        if document is not None:
            write_json(self.run.path / "bound.json", document)

    def points(self, part: str = "main") -> pd.DataFrame | None:
        """The points of a part; None where there are none."""
        file = self.run.path / POINTS[part]
        return read_points(file) if file.exists() else None

    def trials(self) -> pd.DataFrame:
        """One row per trial: evidence, variant, replicate, status, configurations evaluated, points, reason."""
        rows = []
        for part in self.plan.parts:
            for trial in part.trials:
                record = self.run.trial_record(trial.digest) or {"status": "missing", "evaluated": 0, "points": 0, "reason": ""}
                kept = {key: record[key] for key in ("status", "evaluated", "points", "reason")}
                rows.append({"evidence": part.evidence, "variant": trial.variant.name, "replicate": trial.replicate, **kept})
        return pd.DataFrame(rows)

    def frontiers(self, part: str = "main") -> pd.DataFrame:
        """One row per variant: points, points on its frontier, its peak throughput and reach; NaN where it has no usable point.

        The frontier stands on the means of replicates.
        """
        chosen = next(item for item in self.plan.parts if item.part == part)
        points = self.points(part)
        rows = [self._frontier_row(variant.name, points) for variant in chosen.variants]
        unit = f"{self.cfg.report.metric}_tput_tok_s_gpu"
        return pd.DataFrame(rows, columns=["variant", "points", "on_frontier", f"peak_{unit}", "max_interactivity_tok_s_user"])

    def _frontier_row(self, variant: str, points: pd.DataFrame | None) -> tuple[str, int, int, float, float]:
        rows = None if points is None else points[(points["variant"] == variant) & usable(points, self.cfg.report.metric)]
        if rows is None or rows.empty:
            return (variant, 0, 0, np.nan, np.nan)
        snapshot = Snapshot.of(rows, self.cfg.report.metric)
        frontier = Frontier.of(snapshot.mean_x, snapshot.mean_y)
        return (variant, len(rows), len(frontier.x), frontier.peak, frontier.reach)

    def attribute(self) -> dict[str, Any]:
        """The attribution document; computed and written to ``attribution.json`` the first time.

        Raises
        ------
        RunError
            If the run has not been measured.
        """
        file = self.run.path / "attribution.json"
        if file.exists():
            document: dict[str, Any] = read_json(file)
            return document
        points = self.points()
        if points is None:
            raise RunError(f"run {self.run.run_id} has no points yet", hint="execute notebook 20_measure_frontier first")
        main = self.plan.main
        document = attribute_run(
            points,
            self.cfg,
            companion=self.points("companion"),
            residuals=ResidualModel() if main.evidence == "predicted" else None,
            infeasible=self._infeasible(main),
            evaluated={trial.variant.name: int((self.run.trial_record(trial.digest) or {}).get("evaluated") or 0) for trial in main.trials},
            failed=sorted({trial.variant.name for trial in main.trials if self._status(trial.digest) == "failed"}),
        )
        document["notes"] = [*document["notes"], *self._how_measured()]
        write_json(file, document)
        return document

    def _how_measured(self) -> list[str]:
        """What a reader must know of how the sweep went: why it stopped, and what a rule book would have asked."""
        records = [self.run.trial_record(trial.digest) or {} for trial in self.plan.main.trials]
        reasons = [str(record["reason"]) for record in records if record.get("status") == "not needed"]
        notes = [f"The adaptive sweep stopped with {len(reasons)} of {len(records)} launches unused: {reasons[0]}."] if reasons else []
        points = self.points()
        if points is not None and "client_overhead_s" in points and (note := client_note(points)):
            notes.append(note)
        endpoints = self.run.path / "endpoints.json"
        return [*notes, *(deviation_notes(read_json(endpoints)) if endpoints.exists() else [])]

    def _infeasible(self, part: Part) -> dict[str, str]:
        """Why variants have no points, as the plan knew or the engine found out."""
        reasons = {variant.name: variant.infeasible for variant in part.variants if variant.infeasible}
        for trial in part.trials:
            if self._status(trial.digest) == "infeasible":
                reasons[trial.variant.name] = str((self.run.trial_record(trial.digest) or {})["reason"])
        return reasons

    def _status(self, digest: str) -> str:
        return str((self.run.trial_record(digest) or {"status": "missing"})["status"])

    def shares(self) -> pd.DataFrame:
        """One row per lever and one for the whole: the factor on throughput per GPU, its interval, its part of the whole log ratio."""
        document = self.attribute()
        total = document["total"]
        rows = [(share["title"], share["ratio"], *_bounds(share), share["fraction"]) for share in document["shares"]]
        rows.append(("all together", total["ratio"], *_bounds(total), 1.0))
        return pd.DataFrame(rows, columns=["lever", "factor", "ci95_low", "ci95_high", "fraction_of_log_ratio"]).set_index("lever")

    def verdict(self) -> pd.DataFrame:
        """The claim beside what was found: on the whole overlap, and where the claim states an interactivity, there; judged in the last row."""
        from frontier.report import claim_rows  # plotting is not loaded where nothing is drawn

        found = claim_rows(self.attribute(), asdict(self.cfg.claim), self.cfg.workload.name)
        rows = [(row.where, row.claimed, row.found.value, row.found.low, row.found.high, row.verdict) for row in found]
        columns = ["throughput per GPU", "claimed_ratio", "found_ratio", "ci95_low", "ci95_high", "verdict"]
        return pd.DataFrame(rows, columns=columns).set_index("throughput per GPU")

    def limits(self) -> Notes:
        """What the result does not show, and the rules that were applied."""
        document = self.attribute()
        notes = [*document["notes"], document["infeasible_rule"], document["interval"]["method"]]
        if self.cfg.claim.workload and self.cfg.claim.workload != self.cfg.workload.name:
            notes.insert(0, f"The claim is made for workload {self.cfg.claim.workload}; this run examines {self.cfg.workload.name}.")
        return Notes(f"{note[0].upper()}{note[1:]}" for note in notes if note)

    def write_report(self) -> Path:
        """Path of ``report.html``; made the first time, from what the run's folder holds."""
        from frontier.report import write_report  # plotting is not loaded where nothing is drawn

        self.attribute()
        file = self.run.path / "report.html"
        return file if file.exists() else write_report(self.run.path)


def _container_text(found: Mapping[str, str] | None) -> str:
    return f"{found['runtime']}, image {found['image_id'].removeprefix('sha256:')[:12]}" if found else "none"


def _flat(document: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Dotted key -> value as text.

    >>> _flat({"a": {"b": 1}, "c": None})
    {'a.b': '1', 'c': 'null'}
    """
    out: dict[str, str] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            out |= _flat(value, f"{path}{key}.")
        else:
            out[f"{path}{key}"] = json.dumps(value)
    return out


def _bounds(entry: dict[str, Any]) -> tuple[float, float]:
    low, high = entry["ci95"] or (np.nan, np.nan)
    return (np.nan if low is None else float(low), np.nan if high is None else float(high))
