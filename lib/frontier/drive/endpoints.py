"""The measuring profile of MLPerf Endpoints: its rules as numbers, the points it asks for, and what a run did otherwise.

Source: "MLPerf Endpoints Rules", version 1.0 draft of 2026-05-05, endpoints_rules.md in mlcommons/endpoints_policies, branch v1.0_rules_dev at
6b0b1ef, as kept on 2026-09-24 in mlcommons/endpoints-submission-docs. Sections are named beside each rule; section 6 (durations, query counts) is
marked there as subject to ratification. A run under this profile is no MLPerf result, and none may be called one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from frontier.errors import UsageError
from frontier.pareto import Frontier
from frontier.pareto.interpolation import FloatArray

REGIONS = ("ultra_low", "low", "medium", "high")


@dataclass(frozen=True)
class EndpointsProfile:
    """The rules that are numbers.

    Parameters
    ----------
    ultra_low_highest : int, highest concurrency of the Ultra Low region (section 5.4)
    ultra_low_steady_s, steady_s : float, least steady-state seconds of a point there and elsewhere (section 6.2)
    least_points, most_points : int
        Sections 5.3 and 5.6. Seven where the point at the highest concurrency is elected as the Offline result, else eight with a run of its
        own; the cap counts that run.
    tpot_percentile, ttft_percentile : float (section 4.1)
    salt_bits : int, least entropy of the salt of every prompt (section 2.9.5.1)
    margin : float, how far above the highest declared concurrency a point may lie (section 5.4)
    offline_ratio : float, least throughput of a dedicated Offline run over that at the highest concurrency (section 5.7.2)
    warmup_most_s : float (section 6.3)
    """

    ultra_low_highest: int = 32
    ultra_low_steady_s: float = 600.0
    steady_s: float = 1200.0
    least_points: int = 7
    most_points: int = 32
    tpot_percentile: float = 90.0
    ttft_percentile: float = 90.0
    salt_bits: int = 64
    margin: float = 0.10
    offline_ratio: float = 0.98
    warmup_most_s: float = 24 * 3600.0

    def least_steady_s(self, concurrency: int, regions: EndpointsRegions) -> float:
        """Steady seconds that a point needs.

        The draft gives the short duration to concurrencies 1 to 32, and to the low region the long one; the regions overlap there where the
        lowest point is below 32. The longer is asked for, except of the points of the Ultra Low region itself.
        """
        return self.ultra_low_steady_s if regions.of(concurrency) == "ultra_low" else self.steady_s


ENDPOINTS_DRAFT = EndpointsProfile()


@dataclass(frozen=True)
class EndpointsRegions:
    """Regions of the curve, first and last concurrency inclusive.

    Notes
    -----
    Section 5.5: with I = log2(C_max - C_min) / 3 the low region ends at round(C_min + 2^I), the medium one at round(C_min + 2^(2I)), rounded
    half to even; the high region ends at C_max, and ceil(1.1 C_max) is the highest concurrency allowed.
    """

    ultra_low: tuple[int, int]
    low: tuple[int, int]
    medium: tuple[int, int]
    high: tuple[int, int]
    margin: tuple[int, int]

    @classmethod
    def between(cls, lowest: int, highest: int, profile: EndpointsProfile = ENDPOINTS_DRAFT) -> EndpointsRegions:
        """The regions of a curve from its lowest to its highest concurrency.

        Raises
        ------
        UsageError
            If the lowest is not 1 to 32, or the highest is not above it. (The rules also want the highest above 32; a curve that stays below
            is divided all the same, and :func:`frontier.drive.deviations` says so.)
        """
        if not 1 <= lowest <= profile.ultra_low_highest:
            raise UsageError(f"the lowest concurrency must be 1 to {profile.ultra_low_highest}, got {lowest}", hint="measure concurrency 1 as well")
        if highest <= lowest:
            raise UsageError(f"the highest concurrency must be above the lowest, got {lowest} and {highest}")
        third = math.log2(highest - lowest) / 3
        low, medium = round(lowest + 2**third), round(lowest + 2 ** (2 * third))
        # The product in floating point may lie above the integer it stands for: 1.1 x 10 is 11.000000000000002.
        end = math.ceil(round((1 + profile.margin) * highest, 9))
        return cls((1, lowest), (lowest + 1, low), (low + 1, medium), (medium + 1, highest), (highest + 1, end))

    def of(self, concurrency: int) -> str:
        """The region of a concurrency; empty where it is in none, ``margin`` in the margin, which fulfils no region's demand."""
        for name in (*REGIONS, "margin"):
            first, last = getattr(self, name)
            if first <= concurrency <= last:
                return name
        return ""


def choose_concurrencies(highest: int, *, lowest: int = 1, points: int = 7, profile: EndpointsProfile = ENDPOINTS_DRAFT) -> tuple[int, ...]:
    """Concurrencies spread over the regions: the lowest, then evenly many in each of the others, evenly spaced in their logarithm.

    Parameters
    ----------
    highest, lowest : int
        C_max and C_min; both are measured.
    points : int, 7 to 32

    Returns
    -------
    tuple of int, rising; shorter than ``points`` where the range has fewer integers

    Raises
    ------
    UsageError
        For a number of points that the rules do not allow, or a range without regions.

    Examples
    --------
    >>> choose_concurrencies(256)
    (1, 3, 7, 17, 41, 102, 256)
    """
    if not profile.least_points <= points <= profile.most_points:
        raise UsageError(f"points must be {profile.least_points} to {profile.most_points}, got {points}", hint=f"points={profile.least_points}")
    regions = EndpointsRegions.between(lowest, highest, profile)
    chosen = {lowest, highest}
    spans = [span for span in (regions.low, regions.medium, regions.high) if span[1] >= span[0]]
    left = points - 1
    for index, (first, last) in enumerate(spans):
        share = -(-left // (len(spans) - index)) if index == 0 else left // (len(spans) - index)
        start = max(first - 1, 1)
        new = {min(max(round(start * (last / start) ** (k / share)), first), last) for k in range(1, share + 1)} if share else set()
        chosen |= new
        left -= len(new)
    # Rounding makes neighbours meet in short regions; the widest gaps take what is left.
    while len(chosen) < min(points, highest - lowest + 1):
        a, b = max(pairwise(sorted(chosen)), key=lambda pair: pair[1] / pair[0] if pair[1] - pair[0] > 1 else 0.0)
        chosen.add(min(max(round(math.sqrt(a * b)), a + 1), b - 1))
    return tuple(sorted(chosen))


def interactivity_by_p90_tpot(tpot_s: ArrayLike, profile: EndpointsProfile = ENDPOINTS_DRAFT) -> float:
    """Tokens/s/user as MLPerf Endpoints defines them (section 4.1): 1 over the 90th percentile of the requests' TPOT.

    Parameters
    ----------
    tpot_s : float array, shape (n_requests,), seconds per token; NaN where undefined (below two tokens), which is left out

    Returns
    -------
    float, tokens/s/user; NaN if no request has a TPOT

    Notes
    -----
    Percentiles between two samples are interpolated linearly; the draft does not say how.
    """
    values = np.asarray(tpot_s, dtype=float)
    values = values[np.isfinite(values)]
    return float(1.0 / np.percentile(values, profile.tpot_percentile)) if len(values) else math.nan


def step_curve(x: ArrayLike, y: ArrayLike, at: ArrayLike) -> FloatArray:
    """Throughput on the step curve (section 5.2: no interpolation) of points at given interactivities; NaN beyond the fastest point.

    The draft says that the curve holds its value between points, not towards which side. Here a point holds towards lower interactivity:
    whoever is served faster than asked is served; nothing that was not measured is claimed.
    """
    return Frontier.of(x, y).attained(at)
