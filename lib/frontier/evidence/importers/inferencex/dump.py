"""The site's database dump: one JSON array per table, joined here as the site's own queries join them.

Facts: packages/db/src/dump-db.ts (files and layout), packages/db/migrations (tables), packages/db/src/queries/benchmarks.ts (the join) of
InferenceX-app. 64-bit ids are texts in a dump, dates are midnights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from frontier.errors import PointsError
from frontier.evidence.importers.row_types import Refusal
from frontier.evidence.importers.source import Source

# Tables that hold no points -> why they may stand among the files; told by keys that no other table has all of.
TABLES = {
    "configs": "read for the topology of each row",
    "workflow_runs": "read for addresses and attempts of runs",
    "run_stats": "holds no points",
    "eval_results": "holds no points (accuracy is not joined)",
    "changelog_entries": "holds no points",
    "availability": "holds no points",
}
_KEYS: dict[str, frozenset[str]] = {
    "configs": frozenset({"id", "framework", "prefill_tp", "num_decode_gpu", "spec_method"}),
    "workflow_runs": frozenset({"github_run_id", "run_attempt", "head_sha"}),
    "run_stats": frozenset({"n_success", "total", "workflow_run_id"}),
    "eval_results": frozenset({"task", "config_id", "lm_eval_version"}),
    "changelog_entries": frozenset({"config_keys", "base_ref", "head_ref"}),
    "availability": frozenset({"model", "precision", "hardware", "framework", "spec_method", "disagg", "date", "isl", "osl"}),
}


def table_of(keys: set[str]) -> str | None:
    """Which table without points has these keys."""
    if ("metrics" in keys and "task" not in keys) or "tput_per_gpu" in keys:
        return None
    return next((name for name, wanted in _KEYS.items() if wanted <= keys), None)


def dump_rows(source: Source, refused: list[Refusal]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Index and joined row of each benchmark result; failed and superseded ones are appended to ``refused``.

    Raises
    ------
    PointsError
        If the table of configurations is not among the files of the import.
    """
    configs = {_whole(row.get("id")): row for row in _table(source, "configs")}
    if not configs:
        raise PointsError(
            f"{source.name} names configurations by number only", origin=str(source.path), hint="import configs.json of the same dump beside it"
        )
    runs = {_whole(row.get("id")): row for row in _table(source, "workflow_runs")}
    newest: dict[int | None, int] = {}
    for attempt in runs.values():
        key = _whole(attempt.get("github_run_id"))
        newest[key] = max(newest.get(key, -1), _whole(attempt.get("run_attempt")) or 0)
    for index, row in enumerate(source.json_rows()):
        if not isinstance(row, dict):
            refused.append((source.name, index, "", row, "a row must be an object"))
            continue
        config, run = configs.get(_whole(row.get("config_id"))), runs.get(_whole(row.get("workflow_run_id")))
        if row.get("error"):
            refused.append((source.name, index, "error", row["error"], "the benchmark failed"))
        elif config is None:
            refused.append((source.name, index, "config_id", row.get("config_id"), "the configuration must stand in configs.json"))
        elif run is not None and (_whole(run.get("run_attempt")) or 0) < newest[_whole(run.get("github_run_id"))]:
            refused.append((source.name, index, "workflow_run_id", row.get("workflow_run_id"), "a later attempt of the run replaces the row"))
        else:
            yield index, {**config, **row, "date": _day(row.get("date")), "run_url": _address(run)}


def _table(source: Source, name: str) -> Iterator[Mapping[str, Any]]:
    for other in source.beside:
        if other.head.lstrip().startswith("[") and _KEYS[name] <= _keys_of(other):
            yield from (row for row in other.json_rows() if isinstance(row, dict))


def _keys_of(source: Source) -> set[str]:
    first = next(source.json_rows(), None)
    return set(first) if isinstance(first, dict) and "metrics" not in first else set()


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _day(value: Any) -> Any:
    """The calendar day of a midnight in whatever time zone the dump was made; other values stay."""
    try:
        return (datetime.fromisoformat(str(value)) + timedelta(hours=12)).date().isoformat()
    except ValueError:
        return value


def _address(run: Mapping[str, Any] | None) -> str | None:
    if run is None or not run.get("html_url"):
        return None
    return f"{run['html_url']}/attempts/{_whole(run.get('run_attempt')) or 0}"
