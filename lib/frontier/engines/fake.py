"""A closed-form engine with known answers: lever effects, noise and failures on demand. Its points are never evidence.

A server with room for ``h`` requests and a bare step time ``t0`` takes ``tpot = t0 * (1 + c / h)`` at concurrency ``c``, so that
its throughput at interactivity ``x = 1 / tpot`` is ``h * (1 / t0 - x) / gpus``: a straight line whose height is proportional to ``h``.
A lever at target multiplies ``h`` by its effect and the concurrencies swept by the same factor. Throughput at *every* interactivity
is then multiplied by exactly that effect, the interactivities visited are the same for all variants, and with multiplicative effects
the attribution of a lever is the log of its effect.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from frontier.catalog import PRECISION_FORMS
from frontier.engines.base import InOrder, TrialContext, TrialResult, settings_of
from frontier.errors import RunError
from frontier.records import Trial, Variant
from frontier.schema import Config, EngineConfig

DEFAULT_CONCURRENCIES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
POINT_NOISE_FRACTION = 0.2  # noise between points of one launch, as a fraction of the noise between launches


@dataclass(frozen=True)
class FakeEngine(InOrder):
    """Points of the closed form above.

    Parameters
    ----------
    cfg : Config
        Workload, sweep, levers and systems.
    engine : EngineConfig
        Peak total throughput, interactivity of an empty server, effects, noise, failures, delay and seed.
    levers : tuple of str
        Levers of the design, in ladder order.
    """

    cfg: Config
    engine: EngineConfig
    levers: tuple[str, ...]
    kind = "fake"
    evidence = "simulated"
    code_packages = ("frontier.engines.fake", "frontier.engines.base")
    wheels = ()

    @property
    def deterministic(self) -> bool:
        """Without noise every launch gives the same points."""
        return self.engine.noise_cv == 0.0

    def infeasible(self, variant: Variant) -> str:
        """Why the variant cannot exist; the same rule as on real hardware."""
        return settings_of(self.cfg, variant).infeasible()

    def digest_inputs(self, variant: Variant) -> Mapping[str, Any]:
        """The engine's knobs and the load."""
        return {"engine": asdict(self.engine), "resolved": self.resolved(variant), "concurrencies": list(self._concurrencies())}

    def resolved(self, variant: Variant) -> Sequence[Mapping[str, Any]]:
        """The one configuration of a variant: the last feasible setting of each lever, and the factor on throughput."""
        settings = settings_of(self.cfg, variant)
        system, form = settings.feasible_pairs()[-1]
        return [
            {
                "hardware": system.hardware,
                "gpus": system.gpus_per_node,
                "precision_form": form,
                "kv_precision": self.cfg.kv_precision,
                "draft_len": settings.draft_lens[-1],
                "disaggregated": settings.disaggregated[-1],
                "engine_version": settings.versions[-1],
                "isl_tokens": self.cfg.workload.isl_tokens,
                "osl_tokens": self.cfg.workload.osl_tokens,
                "effect": self.effect(variant),
            }
        ]

    def estimated_points(self, variant: Variant) -> int | None:
        """One point per concurrency."""
        return len(self._concurrencies())

    def group(self, variant: Variant) -> str:
        """All trials cost the same anywhere."""
        return ""

    def effect(self, variant: Variant) -> float:
        """The factor on throughput that the variant's levers make together: the known answer."""
        return math.prod(self.engine.effects.get(lever, 1.0) for lever, level in variant.levels.items() if level == "target")

    def measure(self, trial: Trial, context: TrialContext | None = None) -> TrialResult:
        """Points of one launch.

        Raises
        ------
        RunError
            If the variant is one of ``engine.fail_cells``.
        """
        if self.engine.delay_s > 0:
            time.sleep(self.engine.delay_s)
        failing = {frozenset(cell.split("+")) for cell in self.engine.fail_cells}
        if frozenset(trial.variant.name.split("+")) in failing:
            raise RunError(f"the fake engine fails variant {trial.variant.name!r} on purpose", origin="engine.fail_cells")
        points = self._sweep(trial)
        return TrialResult(points, evaluated=len(points))

    def _concurrencies(self) -> tuple[int, ...]:
        return tuple(self.cfg.sweep.concurrencies) or DEFAULT_CONCURRENCIES

    def _noise(self, trial: Trial, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Factor on capacity of each point, mean 1: shared by the launch, and a smaller one of the point's own."""
        if self.engine.noise_cv == 0.0:
            return np.ones(count)
        name = int.from_bytes(hashlib.sha256(trial.variant.name.encode()).digest()[:8], "big")
        random = np.random.default_rng([self.engine.seed, name, trial.replicate])
        launch, point = (math.sqrt(math.log1p(cv**2)) for cv in (self.engine.noise_cv, POINT_NOISE_FRACTION * self.engine.noise_cv))
        logs = random.normal(-(launch**2) / 2, launch) + random.normal(-(point**2) / 2, point, size=count)
        return np.asarray(np.exp(logs))

    def _sweep(self, trial: Trial) -> pd.DataFrame:
        resolved = self.resolved(trial.variant)[0]
        isl, osl, gpus = self.cfg.workload.isl_tokens, self.cfg.workload.osl_tokens, int(resolved["gpus"])
        bare_s = 1.0 / self.engine.base_interactivity_tok_s_user
        peak_output_tok_s_gpu = self.engine.base_tput_tok_s_gpu * osl / (isl + osl)
        effect = float(resolved["effect"])
        room = peak_output_tok_s_gpu * gpus * bare_s * effect
        base = np.array(self._concurrencies(), dtype=float)
        concurrency = base * effect
        tpot_s = bare_s * (1.0 + concurrency / (room * self._noise(trial, len(base))))
        output = concurrency / tpot_s / gpus
        # The first token takes one step like any other, so that Little's law holds exactly: E2EL = OSL * TPOT.
        e2el_s = tpot_s * osl
        mtp = int(resolved["draft_len"]) > 0
        return pd.DataFrame(
            {
                "evidence": self.evidence,
                "source": "frontier fake engine (closed form)",
                "model": self.cfg.model.name,
                "hardware": resolved["hardware"],
                "engine": self.kind,
                "engine_version": resolved["engine_version"] or "closed-form-1",
                "precision": PRECISION_FORMS.get(resolved["precision_form"], (resolved["precision_form"],))[0],
                "kv_precision": resolved["kv_precision"],
                "tp": gpus,
                "spec": "mtp" if mtp else "none",
                "draft_len": resolved["draft_len"],
                "disagg": resolved["disaggregated"],
                "gpus": gpus,
                "isl_tokens": float(isl),
                "osl_tokens": float(osl),
                "concurrency": concurrency,
                "total_tput_tok_s_gpu": output * (isl + osl) / osl,
                "output_tput_tok_s_gpu": output,
                "interactivity_tok_s_user": 1.0 / tpot_s,
                "median_ttft_s": tpot_s,
                "median_tpot_s": tpot_s,
                "median_e2el_s": e2el_s,
                "little_ratio": np.ones(len(base)),
                "valid": True,
            }
        )
