"""Attribution of a change to the levers that made it: games on coalitions, and intervals by resampling. No engine is known here."""

from frontier.attribution.games import (
    MAX_PLAYERS,
    coalition_index,
    feasible_part,
    interactions,
    ladder,
    leave_one_out,
    shapley,
)
from frontier.attribution.numbers import area_bounds, number, ratio_bounds
from frontier.attribution.resampling import LaunchNoise, interval, launch_means

__all__ = [
    "MAX_PLAYERS",
    "LaunchNoise",
    "area_bounds",
    "coalition_index",
    "feasible_part",
    "interactions",
    "interval",
    "ladder",
    "launch_means",
    "leave_one_out",
    "number",
    "ratio_bounds",
    "shapley",
]
