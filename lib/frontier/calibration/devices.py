"""The processors that are calibrated, and torch on use."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from frontier.calibration.facts import cores_held
from frontier.errors import MachineError

INSTALL = "pip install 'frontier-kit[torch]'"


def load_torch() -> Any:
    """The torch module.

    Raises
    ------
    MachineError
        If it is not installed; the message has the command that installs it.
    """
    try:
        # On use and by name: torch takes seconds to load, and most of the kit works without it.
        return importlib.import_module("torch")
    except ImportError as cause:
        raise MachineError("the calibration needs torch, which is not here", hint=INSTALL) from cause


@dataclass(frozen=True)
class Device:
    """A processor as a whole, or a part of its cores.

    Parameters
    ----------
    torch : module
    kind : "cpu" | "cuda"
    count : int
        Cores held, or one GPU.
    """

    torch: Any
    kind: str
    count: int

    @property
    def settle(self) -> Callable[[], None]:
        """Waits for work that runs apart from the caller; the CPU's does not."""
        return self.torch.cuda.synchronize if self.kind == "cuda" else _nothing

    @contextmanager
    def held(self) -> Iterator[None]:
        """Torch computes on this many cores, without recording gradients."""
        before = self.torch.get_num_threads()
        try:
            if self.kind == "cpu":
                self.torch.set_num_threads(self.count)
            with self.torch.inference_mode():
                yield
        finally:
            self.torch.set_num_threads(before)


def _nothing() -> None:
    """The CPU has done its work when the call returns."""


def core_counts(cores: int, *, most: int = 4) -> list[int]:
    """Numbers of cores to measure with: one, all, and the largest powers of two below that.

    >>> core_counts(2), core_counts(6), core_counts(64)
    ([1, 2], [1, 2, 4, 6], [1, 16, 32, 64])
    """
    powers = [2**exponent for exponent in range(1, cores.bit_length()) if 2**exponent < cores]
    middle = powers[len(powers) - (most - 2) :] if len(powers) > most - 2 else powers
    return sorted({1, *middle, cores})


def devices(torch: Any, *, quick: bool) -> list[Device]:
    """What is measured: the CPU with one core, with all (and counts between), and the first GPU."""
    cores = cores_held()
    counts = sorted({1, cores}) if quick else core_counts(cores)
    found = [Device(torch, "cpu", count) for count in counts]
    return [*found, Device(torch, "cuda", 1)] if torch.cuda.is_available() else found
