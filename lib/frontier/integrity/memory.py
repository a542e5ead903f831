"""What is computed of a frame once while checks run: the checks read the same columns and the same few ratios."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import numpy as np
import pandas as pd

Rest = ParamSpec("Rest")
Result = TypeVar("Result")

# Function, frame and arguments -> the frame, kept alive so that its id stays its own, and the result.
_memory: ContextVar[dict[Hashable, tuple[pd.DataFrame, Any]] | None] = ContextVar("memory", default=None)


@contextmanager
def remembering() -> Iterator[None]:
    """While it lasts, functions marked :func:`once` compute each result of a frame once. No frame may be written to meanwhile.

    Zero and infinite values are among what the checks look for, so dividing by them is no warning here: the result is undefined and marks nothing.
    """
    if _memory.get() is not None:
        yield
        return
    token = _memory.set({})
    try:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            yield
    finally:
        _memory.reset(token)


def once(function: Callable[Concatenate[pd.DataFrame, Rest], Result]) -> Callable[Concatenate[pd.DataFrame, Rest], Result]:
    """The function, which remembers its results while :func:`remembering` lasts; callers must not write to what it returns."""

    @wraps(function)
    def remembered(frame: pd.DataFrame, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        memory = _memory.get()
        if memory is None:
            return function(frame, *args, **kwargs)
        key = (function, id(frame), args)
        if key not in memory:
            memory[key] = (frame, function(frame, *args, **kwargs))
        result: Result = memory[key][1]
        return result

    return cast("Callable[Concatenate[pd.DataFrame, Rest], Result]", remembered)
