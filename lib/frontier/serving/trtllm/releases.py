"""TensorRT-LLM's releases, and what differs between them here. Read from its sources and documentation; nothing was run on hardware."""

from __future__ import annotations

import re
from dataclasses import dataclass

from frontier.errors import ConfigError

FINAL = 1_000_000  # stands for no candidate: a release comes after its candidates
FIRST, LAST = (1, 0), (1, 3)
_FORM = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:rc(\d+))?")


@dataclass(frozen=True, order=True)
class Release:
    """A release; candidates come before it.

    Attributes
    ----------
    major, minor, patch : int
    candidate : int
        Number of the release candidate; ``FINAL`` for the release itself.

    Examples
    --------
    >>> Release.parse("1.3.0rc20") < Release.parse("1.3.0")
    True
    >>> Release.parse("1.2.1").draft_key
    'num_nextn_predict_layers'
    """

    major: int
    minor: int
    patch: int = 0
    candidate: int = FINAL

    @classmethod
    def parse(cls, text: str) -> Release:
        """The release of a text such as ``1.2``, ``1.2.1`` or ``1.3.0rc20``.

        Raises
        ------
        ConfigError
            If it is none, or one that this kit has no facts about.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise ConfigError(f"engine.release must look like 1.2.1 or 1.3.0rc20, got {text!r}", hint="engine.release=1.2.1")
        major, minor, patch, candidate = (None if part is None else int(part) for part in match.groups())
        found = cls(major or 0, minor or 0, patch or 0, FINAL if candidate is None else candidate)
        if not FIRST <= (found.major, found.minor) <= LAST:
            known = f"{'.'.join(map(str, FIRST))} to {'.'.join(map(str, LAST))}"
            raise ConfigError(f"TensorRT-LLM {text} is not known here, releases {known} are", hint="engine.release=1.2.1")
        return found

    def __str__(self) -> str:
        """As it is written."""
        return f"{self.major}.{self.minor}.{self.patch}" + ("" if self.candidate == FINAL else f"rc{self.candidate}")

    @property
    def serialized_engines(self) -> bool:
        """Whether ``trtllm-build`` makes an engine file; gone with 1.3."""
        return (self.major, self.minor) < (1, 3)

    @property
    def draft_key(self) -> str:
        """Key of MTP's draft length; one of the two is written, never both."""
        return "num_nextn_predict_layers" if self <= Release(1, 3, 0, 24) else "max_draft_len"

    @property
    def draft_model_key(self) -> str:
        """Key of a draft model; 1.3 takes the old one as an alias."""
        return "speculative_model" if (self.major, self.minor) >= (1, 3) else "speculative_model_dir"

    @property
    def wide_ep_backend(self) -> str:
        """MoE backend for expert parallelism beyond a node's GPUs."""
        return "CUTEDSL" if (self.major, self.minor) >= (1, 3) else "WIDEEP"

    @property
    def flag_beats_file(self) -> bool:
        """Whether a flag on the command line wins over the worker file; here every knob is set in the file alone, so neither matters."""
        return self >= Release(1, 3, 0, 27)

    @property
    def names_model(self) -> bool:
        """Whether ``--served_model_name`` exists; before, a server calls the model by its folder's name or its id."""
        return (self.major, self.minor) >= (1, 3)
