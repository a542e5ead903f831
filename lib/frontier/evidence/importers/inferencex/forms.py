"""The forms the record comes in, told apart by content, each as chunks of flat rows with the same column names.

The flat names are those of the site's rows (packages/db/src/queries/benchmarks.ts of InferenceX-app): identity and topology columns,
then the keys of ``metrics``. Latencies are in seconds in every form, also in the dashboard's older CSV exports whose labels say ms
(packages/app/src/lib/csv-export-helpers.ts writes the rows' values unchanged); :mod:`.mapping` checks that against interactivity.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from frontier.evidence.importers.inferencex.dump import TABLES, dump_rows, table_of
from frontier.evidence.importers.inferencex.union import united
from frontier.evidence.importers.row_types import Refusal
from frontier.evidence.importers.source import Source
from frontier.evidence.importers.tables import csv_frames

CHUNK = 50_000  # rows at a time: some 100 MB with all columns

IDENTITY = ("date", "hardware", "framework", "model", "precision", "spec_method", "disagg", "image", "run_url")
LOAD = ("benchmark_type", "isl", "osl", "conc")
TOPOLOGY = (
    *(f"{role}_{name}" for role in ("prefill", "decode") for name in ("tp", "ep", "dp_attention", "num_workers")),
    "num_prefill_gpu",
    "num_decode_gpu",
)
METRIC_KEYS = (
    "tput_per_gpu",
    "output_tput_per_gpu",
    "input_tput_per_gpu",
    *(f"{statistic}_{name}" for name in ("ttft", "tpot", "itl", "e2el") for statistic in ("mean", "median", "p90", "p99")),
    "median_intvty",
    "avg_power_w",
    "prefill_avg_power_w",
    "decode_avg_power_w",
    "joules_per_output_token",
    "power_valid",
    "power_metric_schema_version",
    "prefill_pp",
    "decode_pp",
    "little_ratio",
)
FLAT = (*IDENTITY, *LOAD, *TOPOLOGY, *METRIC_KEYS)

# Columns of the dashboard's CSV export -> flat names; newer exports say Chip for GPU and (s) for (ms), with the same values.
EXPORT = {
    "Model": "model",
    "ISL": "isl",
    "OSL": "osl",
    "Hardware Key": "hardware",
    "Framework": "framework",
    "Precision": "precision",
    "TP": "decode_tp",
    "Concurrency": "conc",
    "Date": "date",
    "Throughput/GPU (tok/s)": "tput_per_gpu",
    "Output Throughput/GPU (tok/s)": "output_tput_per_gpu",
    "Input Throughput/GPU (tok/s)": "input_tput_per_gpu",
    **{
        f"{word} {label} (ms)": f"{word.lower()}_{name}"
        for label, name in (("TTFT", "ttft"), ("TPOT", "tpot"), ("ITL", "itl"), ("E2E Latency", "e2el"))
        for word in ("Mean", "Median", "P99")
    },
    "Median Interactivity (tok/s/user)": "median_intvty",
    "Disaggregated": "disagg",
    "Num Prefill GPUs": "num_prefill_gpu",
    "Num Decode GPUs": "num_decode_gpu",
    "Spec Decoding": "spec_method",
    "EP": "decode_ep",
    "DP Attention": "decode_dp_attention",
    "Run URL": "run_url",
}


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file in flat columns, and where they stand in it."""

    rows: pd.DataFrame
    lines: Sequence[int]
    mark: str = ":"
    refused: list[Refusal] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def form_of(source: Source) -> str | None:
    """``flat``, ``export``, ``rows`` (JSON), ``dump`` or ``sidecar`` (no points); None when the file is none of them."""
    head = source.head.lstrip()
    if source.name.endswith(".source.json") and head.startswith("{") and '"sha256"' in head:
        return "sidecar"
    if head[:1] in "[{" and head:
        keys = _first_keys(head)
        if {"config_id", "workflow_run_id", "metrics"} <= keys or table_of(keys) is not None:
            return "dump"
        return "rows" if "framework" in keys and ({"metrics", "hardware"} <= keys or {"tput_per_gpu", "hardware"} <= keys) else None
    _, names = _header(head)
    if {"hardware", "framework", "tput_per_gpu"} <= set(names):
        return "flat"
    return "export" if {"Hardware Key", "Framework", "Concurrency"} <= set(names) else None


def chunks(source: Source, form: str) -> Iterator[Chunk]:
    """The rows of a file of that form, in chunks.

    Several files of JSON rows are read together, because the site's routes give the same measurements: each is imported once.
    """
    if form == "sidecar":
        yield Chunk(_flat_frame([]), [], "#", notes=(f"{source.name}: says where another file comes from, holds no points",))
    elif form == "dump":
        yield from _dump_chunks(source)
    elif form == "rows":
        alike = tuple(other.path for other in source.beside if form_of(other) == "rows")
        if len(alike) < 2:
            yield from _json_chunks(enumerate(_json_items(source)))
        else:
            yield from _united_chunks(source, alike)
    else:
        yield from _csv_chunks(source, form)


def _first_keys(head: str) -> set[str]:
    """Keys of the first object with more than one key, however far the head reaches."""
    decoder = json.JSONDecoder()
    position = head.find("{")
    while position >= 0:
        try:
            item, _ = decoder.raw_decode(head, position)
        except json.JSONDecodeError:
            item = None
        # An object whose values are lists of rows wraps them: look inside.
        if isinstance(item, dict) and not any(isinstance(value, list) for value in list(item.values())[:1]):
            return set(item)
        position = head.find("{", position + 1)
    return set()


def _header(head: str) -> tuple[int, list[str]]:
    """Number of comment lines before the header, and the column names."""
    lines = head.splitlines()
    skipped = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    return skipped, next(csv.reader(lines[skipped : skipped + 1]), [])


def _csv_chunks(source: Source, form: str) -> Iterator[Chunk]:
    skipped, names = _header(source.head)
    flat = [_flat_name(name) if form == "export" else name for name in names]
    for rows, lines, wide in csv_frames(source, CHUNK, skip=skipped, columns=flat, wanted=frozenset(FLAT)):
        yield Chunk(rows, lines, refused=[(source.name, line, "", text, rule) for line, text, rule in wide])


def _flat_name(label: str) -> str:
    plain = label.replace("Chip", "GPU").replace("(s)", "(ms)")
    return EXPORT.get(plain, label)


def _json_items(source: Source) -> Iterator[Any]:
    """Rows of a JSON array, or of the arrays in an object one after the other."""
    if source.head.lstrip().startswith("["):
        yield from source.json_rows()
        return
    for value in source.json().values():
        if isinstance(value, list):
            yield from value


def _json_chunks(items: Iterator[tuple[int, Any]]) -> Iterator[Chunk]:
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    for index, item in items:
        metrics = item.get("metrics") if isinstance(item, dict) else None
        # A row that is no object becomes an empty one: its missing values refuse it with its index.
        plain = item if isinstance(item, dict) else {}
        rows.append({**plain, **metrics} if isinstance(metrics, dict) else plain)
        lines.append(index)
        if len(rows) == CHUNK:
            yield Chunk(_flat_frame(rows), lines, "#")
            rows, lines = [], []
    if rows:
        yield Chunk(_flat_frame(rows), lines, "#")


def _flat_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame({name: [row.get(name) for row in rows] for name in FLAT})


def _united_chunks(source: Source, paths: tuple[Path, ...]) -> Iterator[Chunk]:
    tables, repeated = _united(paths, tuple(path.stat().st_mtime_ns for path in paths))
    note = f"{repeated} rows stand in several files; each measurement is imported once, with the columns of all"
    rows = tables[str(source.path)]
    yield Chunk(rows[list(FLAT)], rows["index"].tolist(), "#", notes=(note,) if repeated else ())


@lru_cache(maxsize=1)
def _united(paths: tuple[Path, ...], changed_ns: tuple[int, ...]) -> tuple[dict[str, pd.DataFrame], int]:
    """One result for all files of an import; the times of their last change make it new for another."""
    del changed_ns
    return united([Source(path) for path in paths], _whole_file)


def _whole_file(source: Source) -> pd.DataFrame:
    parts = [chunk.rows.assign(index=list(chunk.lines)) for chunk in _json_chunks(enumerate(_json_items(source)))]
    return pd.concat(parts, ignore_index=True) if parts else _flat_frame([]).assign(index=[])


def _dump_chunks(source: Source) -> Iterator[Chunk]:
    table = table_of(_first_keys(source.head.lstrip()))
    if table is not None:
        yield Chunk(_flat_frame([]), [], "#", notes=(f"{source.name}: table {table} of the dump, {TABLES[table]}",))
        return
    refused: list[Refusal] = []
    yield from _json_chunks(dump_rows(source, refused))
    if refused:
        yield Chunk(_flat_frame([]), [], "#", refused)
