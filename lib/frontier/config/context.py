"""What the checks of relations share: the configuration, where its values came from, and what is in play at a level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from frontier.catalog import infeasible_precision
from frontier.errors import ConfigError
from frontier.schema import Config, HardwareConfig


@dataclass(frozen=True)
class Context:
    """A configuration under examination.

    Parameters
    ----------
    cfg : Config
    origins : mapping dotted key -> file or override
    """

    cfg: Config
    origins: Mapping[str, str]

    def problem(self, message: str, key: str, hint: str) -> ConfigError:
        """An error about the value of a key, with the file or override that set it."""
        return ConfigError(message, origin=self.origin(key), hint=hint)

    def origin(self, key: str) -> str | None:
        """Where a key was set: itself, a key above it, or its group; None when nobody said."""
        while key:
            if key in self.origins:
                return self.origins[key]
            key = key.rpartition(".")[0]
        return None

    def settings(self, lever: str, level: str, default: str) -> list[str]:
        """Settings in play with a lever at a level, further steps included: target adds to baseline when unlocked; ``default`` without the lever."""
        if lever not in self.cfg.lever:
            return [default]
        config = self.cfg.lever[lever]
        if level == "baseline":
            return list(config.baseline)
        before = [] if config.mode == "forced" else list(config.baseline)
        further = [item for step in self.cfg.lever.values() if step.after == lever for item in step.target]
        return before + [item for item in dict.fromkeys([*config.target, *further]) if item not in before]

    def systems(self, level: str) -> list[HardwareConfig]:
        """Systems in play with the hardware lever at a level."""
        names = self.settings("hardware", level, self.cfg.hardware.name)
        known = {**self.cfg.systems, self.cfg.hardware.name: self.cfg.hardware}
        return [known[name] for name in names if name in known]


def infeasible(form: str, system: HardwareConfig) -> str:
    """Why a system cannot compute a precision; empty when it can."""
    reason = infeasible_precision(form, system.hardware)
    if reason or form in system.precisions:
        return reason
    return f"{system.name} lists {', '.join(system.precisions)}"


def feasible_choices(cfg: Config, systems: list[HardwareConfig]) -> str:
    """The model's precisions that some of the systems computes, for a message."""
    able = [form for form in cfg.model.precisions if any(not infeasible(form, system) for system in systems)]
    return ", ".join(able) or "none"
