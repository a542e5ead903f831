"""Frontiers: dominance, the two readings, hypervolume, and shifts between two frontiers. Arrays in, arrays out; no engine is known here."""

from frontier.pareto.batch import frontier_values, nondominated_mask
from frontier.pareto.frontier import Frontier
from frontier.pareto.interpolation import staircase, steffen
from frontier.pareto.shift import Shift, area, grid_over, mean_over, overlap, shift

__all__ = ["Frontier", "Shift", "area", "frontier_values", "grid_over", "mean_over", "nondominated_mask", "overlap", "shift", "staircase", "steffen"]
