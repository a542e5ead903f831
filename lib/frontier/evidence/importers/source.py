"""A file to import: its name, its content (gzip or plain), and JSON arrays row by row."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any, cast

from frontier.errors import PointsError

_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 20  # characters read at a time from a JSON array


@dataclass(frozen=True)
class Source:
    """One file of an import.

    Parameters
    ----------
    path : Path
    beside : sequence of Source
        All files of the same import, this one included: some formats spread one table over several files.
    """

    path: Path
    beside: Sequence[Source] = field(default=(), repr=False, compare=False)

    @property
    def name(self) -> str:
        """The file's name without its folder: what a row's ``source`` begins with."""
        return self.path.name

    def open_bytes(self) -> IO[bytes]:
        """The content, unpacked when it is gzip (told by its first bytes, not by its name).

        Raises
        ------
        PointsError
            If the file is missing, a folder, or cannot be opened.
        """
        if self.path.is_dir():
            raise PointsError(f"{self.path} is a folder", hint="name the files in it")
        try:
            with self.path.open("rb") as raw:
                packed = raw.read(2) == _GZIP
            return cast("IO[bytes]", gzip.open(self.path, "rb")) if packed else self.path.open("rb")
        except FileNotFoundError as cause:
            raise PointsError(f"no such file: {self.path}", hint="check the path") from cause
        except OSError as cause:
            raise PointsError(f"cannot open {self.path}: {cause.strerror or cause}") from cause

    def open_text(self) -> IO[str]:
        """The content as UTF-8 text; a byte order mark is skipped."""
        return io.TextIOWrapper(self.open_bytes(), encoding="utf-8-sig", newline="")

    @cached_property
    def head(self) -> str:
        """The first 64 Ki bytes as text, for telling formats apart; bytes that are no text become U+FFFD."""
        with self.open_bytes() as stream:
            try:
                return stream.read(1 << 16).decode("utf-8-sig", errors="replace")
            except (EOFError, OSError) as cause:
                raise PointsError(f"{self.name} is cut off or not gzip: {cause}", origin=str(self.path), hint="fetch it again") from cause

    def text(self) -> str:
        """The whole content as text.

        Raises
        ------
        PointsError
            If it is not UTF-8, or the packed file is cut off.
        """
        try:
            with self.open_text() as stream:
                return stream.read()
        except (UnicodeDecodeError, EOFError, OSError) as cause:
            raise PointsError(f"{self.name} is not readable text: {cause}", origin=str(self.path)) from cause

    def json(self) -> Any:
        """The content as one JSON document.

        Raises
        ------
        PointsError
            If it is not JSON; the message names line and column, and says when the end is missing.
        """
        text = self.text()
        try:
            return json.loads(text)
        except json.JSONDecodeError as cause:
            raise self._not_json(cause.msg, cause.lineno, cause.colno, at_end=cause.pos >= len(text.rstrip())) from cause

    def json_rows(self) -> Iterator[Any]:
        """The items of a JSON document that is an array, one after the other; memory stays small whatever the file's size.

        Raises
        ------
        PointsError
            If the document is no array, or broken: items before the break have been given by then.
        """
        decoder = json.JSONDecoder()
        try:
            with self.open_text() as stream:
                text = stream.read(_BLOCK).lstrip()
                if not text.startswith("["):
                    raise PointsError(f"{self.name} does not hold a JSON array: it begins with {text[:20]!r}", origin=str(self.path))
                position, items = 1, 0
                while True:
                    position = _past(text, position, " \t\r\n," if items else " \t\r\n")
                    if position < len(text) and text[position] == "]":
                        return
                    try:
                        item, end = decoder.raw_decode(text, position)
                        # A number at the end of the block may go on in the next one.
                        complete = end < len(text)
                    except json.JSONDecodeError:
                        complete = False
                    if complete:
                        yield item
                        items += 1
                        position = end
                        continue
                    more = stream.read(max(_BLOCK, len(text) - position))
                    if not more:
                        raise PointsError(
                            f"{self.name} is cut off or broken after {items} items of its JSON array",
                            origin=str(self.path),
                            hint="fetch the file again; a complete one ends with ]",
                        )
                    text, position = text[position:] + more, 0
        except (UnicodeDecodeError, EOFError, OSError) as cause:
            raise PointsError(f"{self.name} is not readable text: {cause}", origin=str(self.path)) from cause

    def jsonl(self) -> Iterator[tuple[int, Any]]:
        """Line number (from 1) and document of every non-empty line; a line that is not JSON is given as the exception.

        A format decides itself what a broken line means; usually it refuses that line and goes on.
        """
        with self.open_text() as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    try:
                        yield number, json.loads(line)
                    except json.JSONDecodeError as cause:
                        yield number, cause

    def _not_json(self, message: str, line: int, column: int, *, at_end: bool) -> PointsError:
        what = "is cut off" if at_end else "is not JSON"
        return PointsError(
            f"{self.name} {what}: {message} in line {line}, column {column}",
            origin=str(self.path),
            hint="write or fetch the file again" if at_end else "check that the file is of the named format",
        )


def _past(text: str, position: int, blank: str) -> int:
    while position < len(text) and text[position] in blank:
        position += 1
    return position


def sources(files: Sequence[str | Path]) -> list[Source]:
    """The files of an import, each knowing the others.

    Raises
    ------
    PointsError
        If there is none, or one stands twice.
    """
    paths = [Path(file) for file in files]
    if not paths:
        raise PointsError("no file to import", hint="frontier import FORMAT FILE... -o points.parquet")
    twice = sorted({str(path) for path in paths if paths.count(path) > 1})
    if twice:
        raise PointsError(f"files stand twice: {', '.join(twice)}", hint="name each file once: its rows would count as repetitions")
    everything: list[Source] = []
    everything.extend(Source(path, everything) for path in paths)
    return everything
