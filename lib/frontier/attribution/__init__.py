"""Attribution of a change to the levers that made it: games on coalitions, and intervals by resampling. No engine is known here."""

from frontier.attribution.fractions import (
    FEWEST,
    Alias,
    aliased_interactions,
    aliases,
    aliasing_text,
    effect_name,
    fraction_cells,
    main_effects,
    regular_half,
    remainder,
)
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
    "FEWEST",
    "MAX_PLAYERS",
    "Alias",
    "LaunchNoise",
    "aliased_interactions",
    "aliases",
    "aliasing_text",
    "area_bounds",
    "coalition_index",
    "effect_name",
    "feasible_part",
    "fraction_cells",
    "interactions",
    "interval",
    "ladder",
    "launch_means",
    "leave_one_out",
    "main_effects",
    "number",
    "ratio_bounds",
    "regular_half",
    "remainder",
    "shapley",
]
