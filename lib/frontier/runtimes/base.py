"""What every container runtime answers, and what their adapters share."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from frontier.errors import ConfigError, MachineError
from frontier.runtimes.job import ContainerJob

ANSWER_S = 60.0  # a runtime that says nothing for so long about itself or an image is taken for broken


class Runtime(ABC):
    """An adapter: command lines for one container runtime. It starts nothing but questions about images.

    Attributes
    ----------
    name, program : str
        The runtime's name, and the program that must be on the path.
    refused : str
        Characters that a path must not hold, because the runtime's own syntax gives them a meaning and has no way to quote them.
    dropped : tuple of str
        Beginnings of variables of the calling process that would change what the container gets.
    kept : tuple of str
        Exceptions from ``dropped``.
    """

    name: ClassVar[str]
    program: ClassVar[str]
    refused: ClassVar[str] = ""
    dropped: ClassVar[tuple[str, ...]] = ()
    kept: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def command(self, job: ContainerJob) -> list[str]:
        """Argument list that runs the job; holds no secret.

        Raises
        ------
        ConfigError
            If a path cannot be handed to this runtime.
        """

    @abstractmethod
    def image_id(self, image: str) -> str:
        """ID (``sha256:...``, digest of the image's configuration) of a local image.

        Raises
        ------
        MachineError
            If the image is not here, or the runtime cannot say which it is.
        """

    def process_environment(self, job: ContainerJob) -> dict[str, str]:
        """Variables that the calling process must have beside its own; secrets may be among them.

        Raises
        ------
        MachineError
            If a secret is not set in this process.
        """
        return {}

    def standard_input(self, job: ContainerJob) -> str:
        """What the calling process must write to the command's standard input before it closes it; empty for runtimes that need nothing.

        Raises
        ------
        MachineError
            If a secret is not set in this process, or spans lines.
        """
        return ""

    def calling_environment(self, job: ContainerJob) -> dict[str, str]:
        """The whole environment for the runtime's own process: this one's without what would leak in, and :meth:`process_environment`."""
        kept = {name: value for name, value in os.environ.items() if name in self.kept or not name.startswith(self.dropped)}
        return {**kept, **self.process_environment(job)}

    def missing(self) -> str:
        """Why containers cannot be run with it here; empty when they can."""
        if shutil.which(self.program) is None:
            return f"{self.program} is not on the path"
        return self.unready()

    @abstractmethod
    def unready(self) -> str:
        """Why the program that is on the path does not work here; empty when it does."""

    def check_paths(self, job: ContainerJob) -> None:
        """Refuse paths that this runtime's syntax would take for something else.

        Raises
        ------
        ConfigError
        """
        paths = [text for mount in job.mounts for text in (str(mount.source), mount.target)] + list(job.tmpfs)
        for path in paths:
            found = [character for character in self.refused if character in path]
            if found:
                said = ", ".join({" ": "a space", ",": "a comma", ":": "a colon", '"': "a quote", "\\": "a backslash"}[each] for each in found)
                raise ConfigError(
                    f"{self.name} cannot mount a path that holds {said}, got {path!r}", hint="move or link the folder to a path of plain characters"
                )

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What the runtime's program answers.

        Raises
        ------
        MachineError
            If it is not there or does not answer.
        """
        try:
            return subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=ANSWER_S, check=False, stdin=subprocess.DEVNULL)
        except FileNotFoundError:
            raise MachineError(f"{self.program} is not on the path", hint=f"install {self.program}, or choose another runtime") from None
        except subprocess.TimeoutExpired:
            raise MachineError(f"{self.program} {arguments[0]} does not answer within {ANSWER_S:.0f} s") from None


def secret(name: str) -> str:
    """Value of a variable that a container gets by name.

    Raises
    ------
    MachineError
        If it is not set here.
    """
    value = os.environ.get(name)
    if value is None:
        raise MachineError(f"the container shall get the variable {name}, and it is not set here", hint=f"export {name}=...")
    return value


def run_job(runtime: Runtime, job: ContainerJob, *, timeout_s: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a job to its end, output as text.

    Raises
    ------
    MachineError
        If the runtime's program or a secret is not there.
    subprocess.TimeoutExpired
        If it takes longer.
    """
    command = runtime.command(job)
    if shutil.which(command[0]) is None:
        raise MachineError(f"{command[0]} is not on the path", hint=f"install {command[0]}, or choose another runtime")
    # Standard input is always given, so that a container never waits for a terminal.
    return subprocess.run(
        command,
        input=runtime.standard_input(job),
        env=runtime.calling_environment(job),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
    )


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """The end of what a program complained about."""
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


def with_variables(job: ContainerJob, more: Sequence[tuple[str, str]] = ()) -> list[str]:
    """The command with its variables set by env(1) inside the container, for runtimes that treat HOME, PATH or commas in a special way."""
    # An absolute path: srun would look a bare name up on this machine and hand over what it found here.
    return ["/usr/bin/env", *(f"{name}={value}" for name, value in [*sorted(job.environment.items()), *more]), *job.command]
