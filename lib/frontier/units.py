"""Unit conversions, done once at the edge: inside the kit times are seconds and rates are per second."""

from __future__ import annotations

MS_PER_S = 1000.0


def seconds(milliseconds: float) -> float:
    """Seconds of a time in milliseconds."""
    return milliseconds / MS_PER_S
