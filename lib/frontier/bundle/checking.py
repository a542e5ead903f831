"""Verifying a bundle: every member is what the bundle says it is, and nothing in it can act."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from frontier.bundle.container import MAX_TOTAL, MIB, Member, inflate, read_directory
from frontier.bundle.contents import check_table, check_yaml, read_document, read_table
from frontier.bundle.crate import stated_files
from frontier.bundle.names import CRATE, MANIFEST, README, RUN_ID, is_raw, listed, shown
from frontier.errors import RunError, UsageError
from frontier.records import evidence_of

SCHEMA = "frontier.bundle/1"
NEEDED = ("attribution.json", "config.yaml", "environment.json", MANIFEST, "plan.json", "points.parquet", CRATE)
TABLES = ("points.parquet", "companion_points.parquet")
_TRIAL = re.compile(r"trials/([0-9a-f]{64})/(.+)")
Sink = Callable[[str, Iterator[bytes]], None]


@dataclass(frozen=True)
class Bundle:
    """What a verified bundle holds.

    Attributes
    ----------
    file, sha256 : str
        Its file's name and the SHA-256 (hex) of the whole file.
    size_bytes, unpacked_bytes, members : int
    run_id, name, status, digest, created_utc, finished_utc, title, evidence : str
        Of the run; title is the experiment's, fit to be shown.
    raw : bool
        Whether raw records and logs are in it.
    kit : mapping
        name, version, commit, dirty of the kit that made the run.
    container : mapping or None
        runtime, image and image_id of the run, if it ran in a container.
    """

    file: str
    sha256: str
    size_bytes: int
    unpacked_bytes: int
    members: int
    run_id: str
    name: str
    status: str
    digest: str
    created_utc: str
    finished_utc: str
    title: str
    evidence: str
    raw: bool
    kit: Mapping[str, Any]
    container: Mapping[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """The document ``frontier.bundle/1``."""
        return {"schema": SCHEMA, "verified": True, **asdict(self)}


@dataclass(frozen=True)
class Verified:
    """A verified bundle with its points tables by name."""

    facts: Bundle
    tables: Mapping[str, pd.DataFrame]


def verify_bundle(file: Path) -> Bundle:
    """Check a bundle without unpacking it: names, sizes, hashes, documents. Nothing in it is executed.

    Raises
    ------
    UsageError
        If there is no such file.
    RunError
        If anything is not as it should be; the message names the member.
    PointsError
        If a points table is none.
    """
    return read_bundle(file).facts


def read_points_of(file: Path) -> pd.DataFrame:
    """The points table of a verified bundle; raises as :func:`verify_bundle` does."""
    return read_bundle(file).tables["points.parquet"]


def read_bundle(file: Path, sink: Sink | None = None, *, called: str = "") -> Verified:
    """A verified bundle; ``sink`` gets every member's content as it is read, before all of the bundle is known to be sound.

    ``called`` is the file's name in messages, by default its own.
    """
    with _opened(Path(file)) as stream:
        origin = called or shown(Path(file).name)
        members = read_directory(stream, origin=origin)
        names = {member.name for member in members}
        if missing := [name for name in NEEDED if name not in names]:
            raise RunError(f"it is not a bundle of a run: it has no {', '.join(missing)}", origin=origin, hint="frontier bundle RUN -o FILE.zip")
        digests, documents = _contents(stream, members, origin, sink)
        run_id, stated = stated_files(documents[CRATE], origin=origin)
        sizes = {member.name: member.size for member in members}
        _check_hashes(digests, sizes, stated, origin)
        _check_manifest(documents, digests, run_id, origin)
        total = hashlib.sha256()
        stream.seek(0)
        while piece := stream.read(MIB):
            total.update(piece)
        tables = {name: documents[name] for name in TABLES if name in documents}
        manifest, environment = documents[MANIFEST], documents["environment.json"]
        facts = Bundle(
            file=Path(file).name, sha256=total.hexdigest(), size_bytes=stream.tell(), unpacked_bytes=sum(sizes.values()), members=len(members),
            run_id=run_id, **{key: str(manifest[key]) for key in ("name", "status", "digest", "created_utc", "finished_utc")},
            title=shown(_title(documents[CRATE])), evidence=evidence_of(tables["points.parquet"]), raw=any(map(is_raw, names)),
            kit={key: environment["kit"].get(key) for key in ("name", "version", "commit", "dirty")}, container=environment.get("container"),
        )  # fmt: skip
        return Verified(facts, tables)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    try:
        stream = file.open("rb")
    except OSError as cause:
        raise UsageError(f"cannot read {file}: {cause.strerror}", hint="frontier bundle verify FILE.zip") from cause
    with stream:
        if stream.seek(0, 2) > MAX_TOTAL:
            raise RunError(f"the file has more than {MAX_TOTAL // MIB} MiB", origin=file.name)
        yield stream


def _contents(stream: BinaryIO, members: list[Member], origin: str, sink: Sink | None) -> tuple[dict[str, str], dict[str, Any]]:
    """SHA-256 of every member, and the documents and tables that the kit reads, checked."""
    digests: dict[str, str] = {}
    documents: dict[str, Any] = {}
    for member in members:
        hasher = hashlib.sha256()
        kept: list[bytes] | None = [] if _is_read(member.name) else None

        def pieces(member: Member = member, hasher: Any = hasher, kept: list[bytes] | None = kept) -> Iterator[bytes]:
            for piece in inflate(stream, member, origin=origin):
                hasher.update(piece)
                if kept is not None:
                    kept.append(piece)
                yield piece

        if sink is None:
            for _ in pieces():
                pass
        else:
            sink(member.name, pieces())
        digests[member.name] = hasher.hexdigest()
        if kept is not None:
            document = _document(member.name, b"".join(kept), origin)
            if member.name in (*NEEDED, *TABLES):
                documents[member.name] = document
    return digests, documents


def _is_read(name: str) -> bool:
    """Whether the kit reads a member: documents and tables outside raw records, and YAML wherever it is."""
    return name.lower().endswith((".yaml", ".yml")) or (not is_raw(name) and name.lower().endswith((".json", ".parquet")))


def _document(name: str, data: bytes, origin: str) -> Any:
    if name.lower().endswith((".yaml", ".yml")):
        return check_yaml(name, data, origin=origin)
    if name.lower().endswith(".json"):
        # A trial's record may quote what a server wrote to a terminal; no page and no command of the kit shows it.
        return read_document(name, data, origin=origin, texts=not _TRIAL.fullmatch(name))
    # The tables of single trials are in the points table already; no report reads them.
    return read_table(name, data, origin=origin) if name in TABLES else check_table(name, data, origin=origin)


def _check_hashes(digests: Mapping[str, str], sizes: Mapping[str, int], stated: Mapping[str, tuple[str, int]], origin: str) -> None:
    there = set(digests) - {CRATE}
    if extra := sorted(there - set(stated)):
        raise RunError(f"members that {CRATE} does not list: {listed(extra)}", origin=origin)
    if missing := sorted(set(stated) - there):
        raise RunError(f"members that {CRATE} lists are missing: {listed(missing)}", origin=origin)
    for name in sorted(there):
        if stated[name] != (digests[name], sizes[name]):
            what = "another size" if stated[name][0] == digests[name] else f"another SHA-256 ({digests[name][:12]}...)"
            raise RunError(f"member {name!r} has {what} than {CRATE} states", origin=origin)


def _check_manifest(documents: Mapping[str, Any], digests: Mapping[str, str], run_id: str, origin: str) -> None:
    """Whether the run's own manifest agrees with the members and with the crate."""
    manifest, plan, environment = (documents[name] for name in (MANIFEST, "plan.json", "environment.json"))
    where = f"{MANIFEST} of {origin}"
    for name, document, schema in ((MANIFEST, manifest, "manifest"), ("plan.json", plan, "plan"), ("environment.json", environment, "environment")):
        if not isinstance(document, dict) or document.get("schema") != f"frontier.{schema}/1":
            raise RunError(f"{name} is not a document frontier.{schema}/1", origin=origin)
    texts = ("name", "run_id", "status", "digest", "created_utc", "finished_utc")
    files, trials = manifest.get("files"), manifest.get("trials")
    plain = all(isinstance(manifest.get(key), str) for key in texts) and isinstance(files, dict) and isinstance(trials, dict)
    if not plain or not isinstance(environment.get("kit"), dict) or not isinstance(environment.get("container", {}), dict | None):
        raise RunError("it lacks what every manifest and environment says of a run", origin=where)
    if manifest["run_id"] != run_id or not RUN_ID.fullmatch(run_id) or manifest["status"] not in ("complete", "incomplete"):
        raise RunError(f"{CRATE} describes the run {run_id}, the manifest {shown(manifest['run_id'])} ({shown(manifest['status'])})", origin=where)
    if plan.get("digest") != manifest["digest"] or not run_id.endswith(f"-{manifest['name']}-{manifest['digest'][:8]}"):
        raise RunError("the run's id, its plan and its manifest name different configurations", origin=where)
    there = set(digests) - {CRATE, MANIFEST, README}
    if extra := sorted(there - set(files)):
        raise RunError(f"members that the run's manifest does not list: {listed(extra)}", origin=origin)
    left_out = set(files) - there
    if missing := sorted(name for name in left_out if not is_raw(name)):
        raise RunError(f"files of the run are missing: {listed(missing)}", origin=origin)
    if left_out and any(map(is_raw, there)):
        raise RunError(f"some raw records are in it and some are missing: {listed(sorted(left_out))}", origin=origin)
    for name in sorted(there):
        if digests[name] != files[name]:
            raise RunError(f"member {name!r} has another SHA-256 than the run's manifest states", origin=origin)
    for name in sorted(there):
        found = _TRIAL.fullmatch(name)
        if name.startswith("trials/") and (not found or found[1] not in trials):
            raise RunError(f"member {name!r} belongs to no trial of the run", origin=origin)


def _title(crate: Mapping[str, Any]) -> str:
    return next((str(entity.get("name") or "") for entity in crate["@graph"] if entity["@id"] == "./"), "")
