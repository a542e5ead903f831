"""Exceptions of the kit; each class carries the exit code of the command that meets it.

    FrontierError
    +-- UsageError (2)            a wrong argument on the command line
    +-- ConfigError (2)           a configuration that cannot be composed or contradicts itself
    |   +-- ConfigErrors (2)      all problems of one configuration at once
    +-- PointsError (2)           a points table that cannot be read or does not hold what is needed
    +-- MachineError (3)          this machine lacks what the work needs
    +-- RunError (4)              a trial, a notebook or a run failed
    +-- InconclusiveError (5)     the evidence does not settle the question
"""

from __future__ import annotations

from collections.abc import Sequence


class FrontierError(Exception):
    """Base of every error the kit raises on purpose.

    Parameters
    ----------
    message : str
        What was wrong, the value, and the rule.
    origin : str, optional
        Where the value came from: a file, a column, a command line.
    hint : str, optional
        What to type or change.
    """

    exit_code = 4

    def __init__(self, message: str, *, origin: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.origin = origin
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.message]
        if self.origin:
            lines.append(f"  from  {self.origin}")
        if self.hint:
            lines.append(f"  try   {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (trial workers); keyword-only arguments need this to survive pickling.
        return (_rebuild, (type(self), self.message, self.origin, self.hint))


def _rebuild(cls: type[FrontierError], message: str, origin: str | None, hint: str | None) -> FrontierError:
    return cls(message, origin=origin, hint=hint)


class UsageError(FrontierError):
    """A wrong argument on the command line."""

    exit_code = 2


class ConfigError(FrontierError):
    """A configuration value that is unknown, of the wrong type, or impossible."""

    exit_code = 2


class ConfigErrors(ConfigError):  # noqa: N818 - a plural on purpose: many errors in one
    """All problems of one configuration, reported together.

    Attributes
    ----------
    problems : tuple of ConfigError
    """

    def __init__(self, problems: Sequence[ConfigError]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{count} problem{'s' if count != 1 else ''} in the configuration"
        super().__init__("\n".join([head, *(f"- {problem}" for problem in self.problems)]))

    def __reduce__(self) -> tuple[object, ...]:
        return (ConfigErrors, (self.problems,))


class PointsError(FrontierError):
    """A points table that cannot be read, or that does not hold what the question needs."""

    exit_code = 2


class MachineError(FrontierError):
    """This machine lacks what the work needs (a GPU, memory, a package)."""

    exit_code = 3


class RunError(FrontierError):
    """A trial, a notebook or a run failed."""

    exit_code = 4


class InconclusiveError(FrontierError):
    """The evidence at hand does not settle the question."""

    exit_code = 5
