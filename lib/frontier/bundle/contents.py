"""What a bundle's documents may hold: plain data that the kit's readers can take, however it was written.

Nothing here builds an object from what it reads: YAML is looked at as a stream of events, Parquet by its description and its dictionaries.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import yaml

from frontier.bundle.names import listed, shown
from frontier.errors import RunError
from frontier.records import normalize_points

# By name, because they carry no types.
pa: Any = importlib.import_module("pyarrow")
pq: Any = importlib.import_module("pyarrow.parquet")

MAX_DOCUMENT = 64 * 2**20  # bytes of a JSON document or a points table
MAX_YAML = 4 * 2**20
MAX_ROWS = 200_000
MAX_COLUMNS = 1000
MAX_TEXT = 20_000  # letters of one value
# Keys by which Hydra makes objects. Nothing in the kit does; a configuration that has them was not made by it.
_INSTANTIATES = re.compile(r"_(?:target|partial|args|recursive|convert|call)_")
# Control characters but tab and newline, and those that turn the direction of writing.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BIG = "a run's documents are smaller"


def check_text(text: str, place: str, *, origin: str) -> None:
    """Refuse control characters and very long values."""
    if found := _CONTROL.search(text):
        raise RunError(f"{place} holds the control character U+{ord(found[0]):04X} in {shown(text, 60)!r}", origin=origin)
    if len(text) > MAX_TEXT:
        raise RunError(f"{place} holds a text of {len(text)} letters; at most {MAX_TEXT} are read", origin=origin)


def read_document(name: str, data: bytes, *, origin: str, texts: bool = True) -> Any:
    """A JSON document, its keys checked, and its texts if ``texts``.

    Raises
    ------
    RunError
        If it is not JSON, nested too deeply, has a key twice or one that Hydra would act on, or holds control characters.
    """
    if len(data) > MAX_DOCUMENT:
        raise RunError(f"{name} has {len(data) / 2**20:.0f} MiB; {_BIG}", origin=origin)

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(items)
        if len(out) != len(items):
            keys = [key for key, _ in items]
            raise RunError(f"{name} has the key {shown(next(key for key in keys if keys.count(key) > 1))!r} twice", origin=origin)
        return out

    def refuse(constant: str) -> None:
        raise RunError(f"{name} holds {constant}, which is not JSON", origin=origin)

    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_constant=refuse)
        for key, text in _texts(document):
            if key and _INSTANTIATES.fullmatch(text):
                raise RunError(f"{name} has the key {text!r}, by which Hydra would make an object; a run has none", origin=origin)
            if texts:
                check_text(text, name, origin=origin)
    except RecursionError as cause:
        raise RunError(f"{name} is nested too deeply", origin=origin) from cause
    except (UnicodeDecodeError, ValueError) as cause:
        raise RunError(f"{name} is not JSON: {shown(cause)}", origin=origin) from cause
    return document


def _texts(value: Any) -> Iterator[tuple[bool, str]]:
    """Every text of a document, and whether it is a key."""
    if isinstance(value, str):
        yield False, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield True, key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def check_yaml(name: str, data: bytes, *, origin: str) -> None:
    """Refuse YAML that is more than plain values.

    Raises
    ------
    RunError
        If it is not YAML, or has a tag, an anchor or alias, several documents, a key twice, a key that Hydra would act on, an
        interpolation, or control characters.
    """
    if len(data) > MAX_YAML:
        raise RunError(f"{name} has {len(data) / 2**20:.0f} MiB; {_BIG}", origin=origin)
    try:
        text = data.decode("utf-8")
        if found := _CONTROL.search(text):
            raise RunError(f"{name} holds the control character U+{ord(found[0]):04X}", origin=origin)
        _check_events(name, text, origin)
        _check_nodes(name, yaml.compose(text, yaml.SafeLoader), origin)
    except RecursionError as cause:
        raise RunError(f"{name} is nested too deeply", origin=origin) from cause
    except (UnicodeDecodeError, ValueError, yaml.YAMLError) as cause:
        raise RunError(f"{name} is not YAML: {shown(' '.join(str(cause).split()))}", origin=origin) from cause


def _check_events(name: str, text: str, origin: str) -> None:
    documents = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        line = _line(event, name)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if tag := getattr(event, "tag", None):
            raise RunError(f"{line} has the YAML tag {shown(tag)!r}; a configuration holds plain values only", origin=origin)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise RunError(f"{line} has a YAML anchor or alias; a configuration is written out in full", origin=origin)
        if isinstance(event, yaml.ScalarEvent):
            if "${" in event.value:
                raise RunError(f"{line} has the interpolation {shown(event.value, 60)!r}; a run's configuration is resolved", origin=origin)
            check_text(event.value, line, origin=origin)
    if documents > 1:
        raise RunError(f"{name} holds {documents} YAML documents; one is read", origin=origin)


def _check_nodes(name: str, node: yaml.Node | None, origin: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            text = key.value if isinstance(key, yaml.ScalarNode) else ""
            if not text:
                raise RunError(f"{_line(key, name)} has a key that is no text", origin=origin)
            if _INSTANTIATES.fullmatch(text):
                raise RunError(f"{name} has the key {text!r}, by which Hydra would make an object; a run has none", origin=origin)
            if text in seen:
                raise RunError(f"{name} has the key {shown(text)!r} twice", origin=origin)
            seen.add(text)
            _check_nodes(name, value, origin)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_nodes(name, item, origin)


def _line(where: Any, name: str) -> str:
    return f"line {where.start_mark.line + 1} of {name}"


def check_table(name: str, data: bytes, *, origin: str) -> None:
    """Refuse a Parquet file that is none, would take much room to read, or holds control characters.

    Raises
    ------
    RunError
        Naming the file and the column.
    """
    if len(data) > MAX_DOCUMENT:
        raise RunError(f"{name} has {len(data) / 2**20:.0f} MiB; {_BIG}", origin=origin)
    with _readable(name, origin):
        file = pq.ParquetFile(pa.BufferReader(data))
        rows, kinds = file.metadata.num_rows, {field.name: field.type for field in file.schema_arrow}
        if not 0 <= rows <= MAX_ROWS or len(kinds) > MAX_COLUMNS:
            raise RunError(f"{name} has {rows} rows and {len(kinds)} columns; at most {MAX_ROWS} and {MAX_COLUMNS} are read", origin=origin)
        if strange := [field for field, kind in kinds.items() if not _plain(kind)]:
            raise RunError(f"{name} has columns of other kinds than number, text, flag and time: {listed(strange)}", origin=origin)
        texts = [field for field, kind in kinds.items() if _textual(kind)]
        # Read as dictionaries, so that a long text repeated in every row takes the room of one.
        table = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts).read(use_threads=False)
        for field in texts:
            for value in table.column(field).unique().to_pylist():
                check_text(value or "", f"column {shown(field)!r} of {name}", origin=origin)
        for field in kinds:
            check_text(field, f"the columns of {name}", origin=origin)


def read_table(name: str, data: bytes, *, origin: str) -> pd.DataFrame:
    """A points table from the bytes of a Parquet file.

    Raises
    ------
    RunError
        As :func:`check_table`.
    PointsError
        If it is no points table.
    """
    check_table(name, data, origin=origin)
    with _readable(name, origin):
        # Arrow's own buffer and no threads: a thread of its pool that still holds a Python file when the interpreter ends aborts the process.
        frame = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False).to_pandas(use_threads=False)
    return normalize_points(frame, origin=f"{name} of {origin}")


@contextmanager
def _readable(name: str, origin: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, AttributeError, MemoryError) as cause:
        raise RunError(f"{name} is no Parquet table that can be read: {shown(cause)}", origin=origin) from cause


def _textual(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _plain(kind: Any) -> bool:
    # A column that is undefined throughout has the type null.
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null, pa.types.is_temporal, _textual)
    return any(test(kind) for test in tests)


