"""Where a load becomes steady, read off the stream of completions.

Two series are looked at, each in batches of one turnover (as many completions as requests in flight): the rate of output tokens and the TPOT. The
start-up transient is cut where MSER says (White 1997, Simulation 69(6); White, Cobb, Spratt 2000, WSC: the cut that minimizes the standard error of
the mean of what is left, not later than half way). What is left must not drift: the slope over it, times its length, within `DRIFT` of the mean, or
not separable from zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from frontier.errors import UsageError
from frontier.load.metrics import NS, Times, Window, times
from frontier.load.requests import FloatArray, sound

# Batches that MSER and the drift test need: fewer do not tell a trend from noise.
MIN_BATCHES = 5
# Change from end to end that is a drift when it is also significant; 5 % is the margin of MLPerf Endpoints' draft for one system.
DRIFT = 0.05
# A leading part closer to the rest than this moves no figure by more than half of it.
MATERIAL = 0.01
# Two-sided level of Student's t test of the slope: with two series looked at, at most 1 % of stationary loads are called drifting (measured in the
# tests; batches of a closed loop are negatively correlated, which makes it less).
LEVEL = 0.005


@dataclass(frozen=True)
class Steady:
    """The steady part of a load, or why there is none.

    Parameters
    ----------
    start_ns, end_ns : int or None, epoch nanoseconds
        None where the load is not steady.
    reason : str
        What was seen, for the report.
    cut : int
        Completions before ``start_ns``.
    drift : float
        Change of the token rate over the steady part relative to its mean; NaN where it was not looked at.
    """

    start_ns: int | None
    end_ns: int | None
    reason: str
    cut: int = 0
    drift: float = math.nan

    @property
    def window(self) -> Window | None:
        """The steady part as a window of metrics; None where there is none."""
        return None if self.start_ns is None or self.end_ns is None else Window(self.start_ns, self.end_ns)

    @property
    def found(self) -> bool:
        """Whether there is a steady part."""
        return self.start_ns is not None

    @property
    def seconds(self) -> float:
        """Length of the steady part, seconds; 0 where there is none."""
        return 0.0 if self.start_ns is None or self.end_ns is None else (self.end_ns - self.start_ns) / NS


def find_steady(
    requests: pd.DataFrame, concurrency: int, *, min_turnovers: int = MIN_BATCHES, window_s: float = 0.0, load_end_ns: int | None = None
) -> Steady:
    """The longest steady part of a closed loop that reaches to its end so far.

    Call it again as requests arrive, or once on the whole record: it looks at nothing but its arguments.

    Parameters
    ----------
    requests : DataFrame of `frontier.load.requests`
        Requests at one concurrency, in any order; failed ones and those with marked times are not looked at.
    concurrency : int, >= 1
    min_turnovers : int, >= 5
        Batches of `concurrency` completions that must lie in the steady part.
    window_s : float, seconds
        Length that the steady part must have.
    load_end_ns : int, optional, epoch nanoseconds
        When the client stopped sending; by default when the last request was sent. What completes later drains and is not steady.

    Returns
    -------
    Steady
        ``start_ns`` is a completion at least one turnover after the load began, ``end_ns`` the end of the load.
    """
    if concurrency < 1 or min_turnovers < MIN_BATCHES or window_s < 0:
        raise UsageError(
            f"concurrency must be at least 1, min_turnovers at least {MIN_BATCHES} and window_s at least 0, "
            f"got {concurrency}, {min_turnovers}, {window_s}"
        )
    if not len(requests):
        return Steady(None, None, "no request was sent yet")
    origin = int(requests["start_ns"].min())
    last = int(requests["start_ns"].max()) if load_end_ns is None else load_end_ns
    every = times(requests, origin)
    with np.errstate(invalid="ignore"):
        done = every.of(sound(requests) & (every.end <= (last - origin) / NS))
    order = np.argsort(done.end, kind="stable")
    batches = len(order) // concurrency
    if batches < min_turnovers + 1:
        return Steady(None, None, f"{len(order)} completions are {batches} turnovers of {concurrency}, {min_turnovers + 1} are needed", len(order))
    ends, rate, tpot = _batches(done, order[: batches * concurrency], concurrency)
    # The first turnover starts an idle engine: it is never steady.
    known = [series for series in (rate, tpot) if np.isfinite(series[1:]).all()]
    cut = 1 + max(transient(series[1:]) for series in known) if known else batches
    left = batches - cut
    start = origin + int(ends[cut - 1] * NS) if known else last
    if not known:
        return Steady(None, None, "the server reported no token counts, and the rate cannot be seen", batches * concurrency)
    if left < min_turnovers or cut - 1 >= (batches - 1) // 2 > 0:
        why = f"the transient lasts {cut} of {batches} turnovers so far: {left} are left"
        return Steady(None, None, f"{why}, {min_turnovers} are needed, and more than the transient", cut * concurrency)
    drift, by = max(((_drift(series[cut:]), name) for series, name in ((rate, "token rate"), (tpot, "TPOT"))), key=lambda found: abs(found[0]))
    if drift:
        return Steady(None, None, f"the {by} drifts by {drift:+.1%} over {left} turnovers after the first {cut}", cut * concurrency, drift)
    seconds = (last - start) / NS
    if seconds < window_s:
        why = f"steady for {seconds:.3g} s after the first {cut} turnovers, {window_s:.3g} s are asked for"
        return Steady(None, None, why, cut * concurrency, 0.0)
    return Steady(start, last, f"steady for {seconds:.3g} s and {left} turnovers after the first {cut}", cut * concurrency, 0.0)


def _batches(done: Times, order: np.ndarray, size: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """End of each batch (s), its output tokens per second, and its mean TPOT (s/token); all float, shape (n_batches,)."""
    end = done.end[order].reshape(-1, size)[:, -1]
    tokens = done.output_tokens[order].reshape(-1, size).sum(axis=1)
    tpot = done.tpot[order].reshape(-1, size).mean(axis=1)
    span = np.diff(end, prepend=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return end, np.where(span > 0, tokens / np.where(span > 0, span, 1.0), np.nan), tpot


def mser_cut(values: FloatArray) -> int:
    """How many leading values to leave out: the cut in the first half that minimizes the squared standard error of the mean of the rest.

    Parameters
    ----------
    values : float array, shape (n,), finite

    Notes
    -----
    MSER(d) = sum over i >= d of (x_i - mean of the rest)^2 / (n - d)^2 (White 1997). Linear time by sums from the end.

    >>> mser_cut(np.array([0.0, 5.0, 10.0, 10.1, 9.9, 10.0, 10.1, 9.9]))
    2
    """
    n = len(values)
    shifted = values - values.mean()  # sums of squares keep their digits
    count = np.arange(n, 0, -1)
    total, square = np.cumsum(shifted[::-1])[::-1], np.cumsum(shifted[::-1] ** 2)[::-1]
    error = (square - total**2 / count) / count**2
    return int(np.argmin(error[: n // 2 + 1])) if n else 0


def transient(values: FloatArray) -> int:
    """How many leading values differ from the rest: the fewest that, once left out, leave nothing at the front that is separable from what follows.

    Parameters
    ----------
    values : float array, shape (n,), finite

    Returns
    -------
    int
        0 to n // 2 + 1; the largest means that no half of the values is settled.

    Notes
    -----
    On noise the smallest of many standard errors lies anywhere, also half way: by the MSER cut alone 8 to 15 % of stationary loads of ten turnovers
    are called unsettled. So the part that MSER would cut, and the first value, must differ from the rest by Student's t and by more than `MATERIAL`.
    """
    n = len(values)
    for cut in range(n // 2 + 1):
        rest = values[cut:]
        if not any(_separable(rest, lead) for lead in {1, mser_cut(rest)}):
            return cut
    return n // 2 + 1


def _separable(values: FloatArray, lead: int) -> bool:
    """Whether the mean of the first ``lead`` values differs from that of the others."""
    rest = values[lead:]
    if lead == 0 or len(rest) < 3:
        return False
    gap = float(values[:lead].mean() - rest.mean())
    error = float(rest.std(ddof=1)) * math.sqrt(1 / lead + 1 / len(rest))
    return abs(gap) > max(MATERIAL * abs(float(rest.mean())), float(stdtrit(len(rest) - 1, 1 - LEVEL / 2)) * error)


def _drift(values: FloatArray) -> float:
    """Fitted change from the first value to the last relative to the mean, 0 where it is small or not separable from noise."""
    n = len(values)
    if n < MIN_BATCHES or not np.isfinite(values).all() or values.mean() == 0:
        return 0.0
    x = np.arange(n) - (n - 1) / 2
    slope = float(x @ values / (x @ x))
    rest = values - values.mean() - slope * x
    error = math.sqrt(float(rest @ rest) / (n - 2) / float(x @ x))
    change = slope * (n - 1) / float(values.mean())
    if abs(change) <= DRIFT or abs(slope) <= float(stdtrit(n - 2, 1 - LEVEL / 2)) * error:
        return 0.0
    return change
