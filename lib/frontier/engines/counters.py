"""The servers' own counters over time, so that what they counted in a window can be told from the rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
import pandas as pd

from frontier.errors import FrontierError
from frontier.serving import acceptance_length as mean_acceptance

EVERY_S = 1.0  # an answer takes a server milliseconds
ACCEPTED, DRAFTS = "accepted_tokens", "drafts"  # names of frontier.serving.counters


@dataclass
class Counters:
    """Reads counters about once a second while a load runs; a context manager.

    Parameters
    ----------
    read : function
        Gives counter -> value, summed over servers.
    """

    read: Callable[[], Mapping[str, float]]
    _rows: list[dict[str, float]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Counters:
        """Begin to read."""
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop; one last reading is taken before."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            last = self._stop.wait(EVERY_S) if self._rows else False
            try:
                self._rows.append({"at_ns": time.time_ns(), **self.read()})
            except FrontierError:
                return  # the server is gone; whoever waits for it says why
            if last:
                return

    def samples(self) -> pd.DataFrame:
        """One row per reading: ``at_ns`` (epoch) and the counters."""
        return pd.DataFrame(list(self._rows)) if self._rows else pd.DataFrame({"at_ns": pd.Series(dtype="int64")})


def acceptance_length(samples: pd.DataFrame, start_ns: int, end_ns: int) -> float:
    """Tokens a decoding step gave on average in a window: one, and the accepted drafts; NaN without drafts or readings around the window.

    Notes
    -----
    :func:`frontier.serving.acceptance_length` of the counters interpolated at the window's ends.
    """
    if ACCEPTED not in samples or DRAFTS not in samples or len(samples) < 2:
        return float("nan")
    origin = int(samples["at_ns"].iloc[0])
    at = (samples["at_ns"] - origin).to_numpy(dtype=float)
    low, high = float(start_ns - origin), float(end_ns - origin)
    counted = {name: float(np.diff(np.interp([low, high], at, samples[name].to_numpy(dtype=float)))[0]) for name in (ACCEPTED, DRAFTS)}
    return mean_acceptance(counted)
