"""The text to train on: the Python standard library's own sources, which every installation has."""

from __future__ import annotations

import hashlib
import sysconfig
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from frontier.errors import MachineError

# What distributions leave out or add, and tables of numbers: tests, the editor, Tk, character maps, installed packages.
LEFT_OUT = frozenset(
    {
        "__pycache__", "dist-packages", "encodings", "ensurepip", "idlelib", "lib2to3", "site-packages", "test", "tests",
        "tkinter", "turtledemo", "lib-dynload",
    }
)  # fmt: skip
LONGEST_BYTES = 200_000  # longer files are tables
PIECE_CHARACTERS = 3_000  # of a held-out document
DOCUMENTS = 64


@dataclass(frozen=True)
class Corpus:
    """Sources split by file.

    Parameters
    ----------
    training, heldout : tuple of (str, str)
        Path below the library's folder, and text; in the order of the SHA-256 of their paths, so neighbours in a folder are apart.
    """

    training: tuple[tuple[str, str], ...]
    heldout: tuple[tuple[str, str], ...]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of all paths and texts in order."""
        total = hashlib.sha256()
        for part in (self.training, self.heldout):
            for path, text in part:
                total.update(hashlib.sha256(path.encode()).digest() + hashlib.sha256(text.encode()).digest())
            total.update(b"/")
        return total.hexdigest()

    def documents(self) -> list[str]:
        """Pieces of held-out files, cut at line ends, no two files' second pieces before all first ones; at most 64."""
        cut = [_pieces(text) for _, text in self.heldout]
        rounds = range(max((len(pieces) for pieces in cut), default=0))
        return [pieces[turn] for turn in rounds for pieces in cut if turn < len(pieces)][:DOCUMENTS]


def read_corpus(heldout_one_in: int, folder: Path | None = None) -> Corpus:
    """The sources of a library folder, one file of so many held out by the SHA-256 of its path.

    Parameters
    ----------
    heldout_one_in : int, at least 2
    folder : Path, optional
        The standard library of the running Python, if not given.

    Raises
    ------
    MachineError
        If there are too few sources, as in a Python that ships compiled modules alone.
    """
    base = folder or Path(sysconfig.get_paths()["stdlib"])
    found = []
    for file in base.rglob("*.py"):
        path = file.relative_to(base)
        if LEFT_OUT.isdisjoint(path.parts) and file.stat().st_size <= LONGEST_BYTES:
            found.append((hashlib.sha256(path.as_posix().encode()).hexdigest(), path.as_posix(), file))
    texts = [(digest, path, file.read_text(encoding="utf-8", errors="replace")) for digest, path, file in sorted(found)]
    heldout = tuple((path, text) for digest, path, text in texts if int(digest[:8], 16) % heldout_one_in == 0)
    training = tuple((path, text) for digest, path, text in texts if int(digest[:8], 16) % heldout_one_in)
    if not training or not heldout:
        raise MachineError(
            f"{len(texts)} Python sources to train on, of which {len(heldout)} would be held out; both parts need at least one",
            origin=str(base),
            hint="use a Python that ships its standard library as sources",
        )
    return Corpus(training, heldout)


def _pieces(text: str) -> list[str]:
    pieces, piece = [], ""
    for line in text.splitlines(keepends=True):
        piece += line
        if len(piece) >= PIECE_CHARACTERS:
            pieces.append(piece)
            piece = ""
    return pieces
