"""Engines by name: each turns a trial into points."""

from __future__ import annotations

from frontier.engines.base import Cost, Engine, Settings, TrialContext, TrialResult, settings_of
from frontier.errors import ConfigError
from frontier.schema import Config

ENGINES = ("fake", "predicted", "published", "vllm", "trtllm", "endpoint")
PARTS = ("main", "companion")

__all__ = ["ENGINES", "PARTS", "Cost", "Engine", "Settings", "TrialContext", "TrialResult", "get_engine", "levers_of", "settings_of"]


def levers_of(cfg: Config, part: str = "main") -> tuple[str, ...]:
    """Levers of the main evidence, or those of the companion, in ladder order."""
    names = tuple(str(name) for name in cfg.lever)
    return names if part == "main" else tuple(name for name in names if name in cfg.companion_levers)


def get_engine(cfg: Config, part: str = "main") -> Engine:
    """The engine of the experiment, or that of its companion.

    Parameters
    ----------
    cfg : Config
    part : "main" | "companion"

    Raises
    ------
    ConfigError
        If ``kind`` names no engine; the message lists those there are.
    """
    chosen = cfg.engine if part == "main" else cfg.companion
    levers = levers_of(cfg, part)
    # Imported on use: the predicted engine loads a large wheel that the others do without.
    if chosen.kind == "fake":
        from frontier.engines.fake import FakeEngine

        return FakeEngine(cfg, chosen, levers)
    if chosen.kind == "predicted":
        from frontier.engines.predicted import PredictedEngine

        return PredictedEngine(cfg, chosen, levers)
    if chosen.kind == "published":
        from frontier.engines.published import PublishedEngine

        return PublishedEngine(cfg, chosen, levers)
    if chosen.kind == "vllm":
        from frontier.engines.vllm import VllmEngine

        return VllmEngine(cfg, chosen, levers)
    if chosen.kind == "trtllm":
        from frontier.engines.trtllm import TrtllmEngine

        return TrtllmEngine(cfg, chosen, levers)
    if chosen.kind == "endpoint":
        from frontier.engines.endpoint import EndpointEngine

        return EndpointEngine(cfg, chosen, levers)
    raise ConfigError(
        f"engine.kind must be one of {', '.join(ENGINES)}, got {chosen.kind!r}",
        origin="engine" if part == "main" else "companion",
        hint=f"engine={ENGINES[0]}",
    )
