"""Entries of a change log: CSV, YAML or JSON, in the names that public logs use."""

from __future__ import annotations

import datetime
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from frontier.errors import PointsError

# Name here -> names in files, hyphen and underscore alike. InferenceX's perf-changelog.yaml has config-keys, description, pr-link and no date.
NAMES: dict[str, tuple[str, ...]] = {
    "date": ("date", "merge_date", "merged_at"),
    "keys": ("keys", "config_keys"),
    "text": ("text", "description"),
    "link": ("link", "pr_link", "url"),
    "id": ("id", "pr", "number"),
    "scenario": ("scenario", "scenario_type"),
    "evals_only": ("evals_only",),
}
COLUMNS = ("date", "keys", "text", "link", "id", "number", "scenario", "evals_only")
READ = {".csv": "csv", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}
_PULL = re.compile(r"/pull/(\d+)")


def read_changelog(path: str | Path, *, dates: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The dated entries of a change log, oldest first.

    Parameters
    ----------
    path : str or Path
        A CSV file, or a YAML or JSON list. Keys of one entry are a list or stand between ``|``.
    dates : mapping, optional
        Dates (ISO) of entries that state none, by id (a pull request's number) or by ``#`` and the entry's number in the file.

    Returns
    -------
    DataFrame
        Columns ``date`` (ISO), ``keys`` (list of str), ``text``, ``link``, ``id`` (both NA where unknown), ``number`` (place in the file, from 1),
        ``scenario``, ``evals_only``. ``attrs["refused"]`` lists the entries without a date: their number, id, text and the rule.

    Raises
    ------
    PointsError
        If the file is missing or not a change log, a date cannot be read, or no entry has a date.
    """
    file = Path(path)
    given = {str(key): value for key, value in (dates or {}).items()}
    entries, refused = [], []
    for number, raw in enumerate(_raw(file), start=1):
        entry = _entry(raw, number, file)
        date = entry["date"] or given.get(str(entry["id"])) or given.get(f"#{number}")
        if date:
            entries.append({**entry, "date": _iso(date, number, file)})
        else:
            refused.append(
                {"number": number, "id": entry["id"], "text": entry["text"], "rule": "an entry needs a date to be placed between two snapshots"}
            )
    if not entries:
        raise PointsError(
            f"none of the {len(refused)} entries has a date (columns read: {', '.join(NAMES['date'])})",
            origin=str(file),
            hint="add a date to each entry: the day its change was merged, as `git log` of the file shows it",
        )
    table = pd.DataFrame(entries, columns=list(COLUMNS)).sort_values(["date", "number"], kind="stable", ignore_index=True)
    table.attrs["refused"] = refused
    table.attrs["file"] = file.name
    return table


def _raw(file: Path) -> Iterator[Mapping[str, Any]]:
    """The entries as the file has them, one mapping each."""
    kind = READ.get(file.suffix.lower())
    if kind is None:
        raise PointsError(f"a change log is one of {', '.join(READ)}, got {file.suffix or 'no suffix'!r}", origin=str(file))
    if not file.exists():
        raise PointsError(f"no such change log: {file}", hint="check the path")
    text = file.read_text(encoding="utf-8")
    if kind == "csv":
        try:
            frame = pd.read_csv(io.StringIO(text), dtype="string", keep_default_na=False)
        except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise PointsError(f"not a readable CSV file: {error}", origin=str(file)) from error
        found: Any = frame.to_dict("records")
    else:
        found = _parsed(text, kind, file)
    if not isinstance(found, Sequence) or isinstance(found, str) or not all(isinstance(entry, Mapping) for entry in found):
        raise PointsError(f"a change log is a list of entries with names, got {type(found).__name__}", origin=str(file))
    if not found:
        raise PointsError("the change log has no entries", origin=str(file))
    yield from found


def _parsed(text: str, kind: str, file: Path) -> Any:
    """The document of a YAML or JSON text."""
    try:
        if kind == "json":
            return json.loads(text)
        import yaml  # not every caller reads YAML

        # The base loader leaves scalars as they are written: a version 1.10 stays "1.10", a date stays text.
        return yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    except ValueError as error:
        raise PointsError(f"not readable as JSON: {error}", origin=str(file)) from error
    except Exception as error:
        if kind == "json":
            raise
        raise PointsError(f"not readable as YAML: {error}", origin=str(file)) from error


def _entry(raw: Mapping[str, Any], number: int, file: Path) -> dict[str, Any]:
    """One entry under the names used here."""
    named = {str(name).strip().lower().replace("-", "_"): value for name, value in raw.items()}
    found = {name: next((named[n] for n in names if named.get(n) not in (None, "")), None) for name, names in NAMES.items()}
    if found["keys"] is None:
        raise PointsError(
            f"entry {number} names no series (names read: {', '.join(NAMES['keys'])})",
            origin=str(file),
            hint=f"names found: {', '.join(map(str, raw))}",
        )
    link = str(found["link"]).strip() if found["link"] else ""
    pull = _PULL.search(link)
    return {
        "date": found["date"],
        "keys": [key.strip() for item in _listed(found["keys"]) for key in item.split("|") if key.strip()],
        "text": " | ".join(item.strip() for item in _listed(found["text"] or "")),
        "link": link or None,
        "id": str(found["id"]).strip() if found["id"] else pull[1] if pull else None,
        "number": number,
        "scenario": str(found["scenario"]).strip() if found["scenario"] else None,
        "evals_only": str(found["evals_only"]).strip().lower() == "true",
    }


def _listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else [str(value)]


def _iso(date: Any, number: int, file: Path) -> str:
    """The day of a date or timestamp, ISO."""
    text = str(date).strip()
    try:
        return datetime.datetime.fromisoformat(text).date().isoformat()
    except ValueError as error:
        raise PointsError(f"date of entry {number} must be an ISO date such as 2025-12-31, got {text!r}", origin=str(file)) from error
