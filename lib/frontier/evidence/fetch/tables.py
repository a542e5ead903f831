"""Rows out of a dump of JSON tables: a ZIP, or a tar.xz in parts; in the shape that the site's pages have, so that one importer reads both.

Source of the layout: SemiAnalysisAI/InferenceX-app, packages/db/src/dump-db.ts: a file per table, a list with one row per line. Of the join and of
what it leaves out: packages/db/src/queries/benchmarks.ts: rows with an error, and rows of a run's attempt that a later attempt replaced.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, Any

from frontier.errors import RunError, UsageError
from frontier.evidence.fetch.kept import write_durably
from frontier.evidence.fetch.names import known_keys, listed

RESULTS, CONFIGS, RUNS = "benchmark_results.json", "configs.json", "workflow_runs.json"
# Columns of the table of results that the site's rows do not have either.
INTERNAL = ("config_id", "workflow_run_id", "server_log_id", "error")
BUFFER_BYTES = 1 << 20


@dataclass
class DumpRows:
    """What was taken from a dump, and what was left out: failed rows, rows of replaced attempts, rows of other models or earlier dates."""

    rows: int = 0
    failed: int = 0
    replaced: int = 0
    others: int = 0
    sha256: str = field(default="", init=False)


def write_dump_rows(files: Sequence[Path], out: Path, *, model: str | None = None, since: str | None = None) -> DumpRows:
    """Write the rows of a dump as one list.

    Parameters
    ----------
    files : sequence of Path
        The archive, or its parts in order.
    model, since : str, optional
        Only rows of this model (a name of the site, or a key); of this ISO date and later.

    Raises
    ------
    RunError
        If the archive is broken, lacks a table, or its tables are laid out in another way; or no row is left. Nothing is written then.
    UsageError
        If the dump does not hold the model.
    """
    count = DumpRows()
    try:
        with _members(files) as members:
            missing = [name for name in (CONFIGS, RESULTS, RUNS) if name not in members]
            if missing:
                what = f"the dump lacks {', '.join(missing)}; it holds {', '.join(sorted(members))}"
                raise RunError(what, origin=str(files[0]), hint="--dump-date DATE")
            configs, runs = _configs(members[CONFIGS], model), _runs(members[RUNS])
            rows = _joined(members[RESULTS], configs, runs, since, count)
            first = next(rows, None)
            if first is None:
                asked = (f" of {model}" if model else "") + (f" since {since}" if since else "")
                raise RunError(f"the dump holds no row{asked}", origin=str(files[0]), hint="an earlier --since, or another --model")
            count.sha256 = write_durably(out, _as_list(first, rows))
    except (zipfile.BadZipFile, tarfile.TarError, LZMAError, EOFError) as cause:
        raise RunError(f"the dump cannot be unpacked: {cause}", origin=str(files[0]), hint="remove it and type the same command again") from cause
    except (KeyError, TypeError, AttributeError) as cause:
        what = f"a row of the dump lacks {cause}: its schema has changed"
        raise RunError(what, origin=str(files[0]), hint="a newer version of this kit") from cause
    return count


def _configs(opened: Callable[[], IO[bytes]], model: str | None) -> dict[Any, dict[str, Any]]:
    """Configurations by id, without it; of one model if asked."""
    configs = list(_rows(opened, CONFIGS))
    keys = {config["model"] for config in configs} if model is None else known_keys(model) | {model}
    chosen = {config["id"]: {key: value for key, value in config.items() if key != "id"} for config in configs if config["model"] in keys}
    if not chosen:
        raise UsageError(f"the dump holds no configuration of model {model!r}", hint=f"--model with one of: {listed(c['model'] for c in configs)}")
    return chosen


def _runs(opened: Callable[[], IO[bytes]]) -> dict[Any, str | None]:
    """URL of each run by id; attempts that a later one replaced are not among them."""
    newest: dict[Any, dict[str, Any]] = {}
    for run in _rows(opened, RUNS):
        before = newest.get(run["github_run_id"])
        if before is None or run["run_attempt"] > before["run_attempt"]:
            newest[run["github_run_id"]] = run
    return {run["id"]: f"{run['html_url']}/attempts/{run['run_attempt']}" if run["html_url"] else None for run in newest.values()}


def _joined(
    opened: Callable[[], IO[bytes]], configs: dict[Any, dict[str, Any]], runs: dict[Any, str | None], since: str | None, count: DumpRows
) -> Iterator[bytes]:
    """The rows that are asked for, one at a time: the table is larger than it need be in memory."""
    for row in _rows(opened, RESULTS):
        day = str(row["date"])[:10]
        if row["config_id"] not in configs or (since is not None and day < since):
            count.others += 1
        elif row["error"] is not None:
            count.failed += 1
        elif row["workflow_run_id"] not in runs:
            count.replaced += 1
        else:
            count.rows += 1
            own = {key: value for key, value in row.items() if key not in INTERNAL}
            joined = configs[row["config_id"]] | own | {"date": day, "run_url": runs[row["workflow_run_id"]]}
            yield json.dumps(joined, ensure_ascii=False).encode()


def _as_list(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield b"[\n" + first
    for row in rest:
        yield b",\n" + row
    yield b"\n]\n"


def _rows(opened: Callable[[], IO[bytes]], name: str) -> Iterator[dict[str, Any]]:
    """Rows of a table that has one per line."""
    with opened() as stream:
        for line in stream:
            text = line.strip()
            if text in (b"[", b"]", b"[]", b""):
                continue
            try:
                yield json.loads(text.removesuffix(b","))
            except ValueError as cause:
                what = f"{name} of the dump is not one row per line: {text[:60]!r}"
                raise RunError(what, hint="its layout has changed: a newer version of this kit") from cause


@contextmanager
def _members(files: Sequence[Path]) -> Iterator[dict[str, Callable[[], IO[bytes]]]]:
    """Members of an archive by their plain name, each as a function that opens it."""
    if files[0].suffix == ".zip":
        with zipfile.ZipFile(files[0]) as archive:
            yield {PurePosixPath(info.filename).name: _opener(archive.open, info) for info in archive.infolist() if not info.is_dir()}
    else:
        with io.BufferedReader(_Joined(files), BUFFER_BYTES) as stream, tarfile.open(fileobj=stream, mode="r:xz") as tar:
            yield {PurePosixPath(member.name).name: _opener(tar.extractfile, member) for member in tar if member.isfile()}


def _opener(opens: Callable[[Any], IO[bytes] | None], member: object) -> Callable[[], IO[bytes]]:
    def opened() -> IO[bytes]:
        stream = opens(member)
        if stream is None:
            raise tarfile.TarError(f"{member} is no file")
        return stream

    return opened


class _Joined(io.RawIOBase):
    """Several files read as one; seekable, because xz archives are opened that way."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = [file.open("rb") for file in files]
        self._sizes = [file.stat().st_size for file in files]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: sum(self._sizes)}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        start = 0
        for stream, size in zip(self._files, self._sizes, strict=True):
            if self._at < start + size:
                stream.seek(self._at - start)
                count = stream.readinto(memoryview(buffer)[: start + size - self._at])
                self._at += count
                return count
            start += size
        return 0

    def close(self) -> None:
        for stream in self._files:
            stream.close()
        super().close()
