"""Runs, tables and bundles by path: read, compared, and written as one page."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from frontier.compare.document import compare
from frontier.compare.sources import Source, read_source
from frontier.errors import UsageError
from frontier.files import write_text
from frontier.report.comparison import bounds_text, comparison_html, state_of, verdict_word
from frontier.report.document import rows
from frontier.report.wording import listed

BUNDLE = ".zip"


def compare_paths(
    runs: Sequence[Path],
    *,
    metric: str = "",
    margin: float | None = None,
    published: pd.DataFrame | None = None,
    published_name: str = "published points",
    rerun: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The ``frontier.compare/1`` document of runs' folders, points tables and bundles.

    Parameters
    ----------
    runs : sequence of Path
        The first is the reference. A bundle is verified and read; nothing of it is executed.
    metric : "total" | "output" | ""
        For points tables; by default that of the first run, or ``total``.
    margin, published, published_name
        As for :func:`frontier.compare.compare`.
    rerun : mapping, optional
        A ``frontier.rerun/1`` document on the first two runs, whose verdicts count.

    Raises
    ------
    UsageError, RunError, PointsError
        As :func:`frontier.compare.read_source` and :func:`frontier.compare.compare` do; for a bundle as its reader does.
    """
    twice = sorted({path.name for path in runs if sum(path.resolve() == other.resolve() for other in runs) > 1})
    if twice:
        raise UsageError(f"{listed(twice)} is named more than once", hint="name each run once; a run is always the same as itself")
    sources: list[Source] = []
    for path in runs:
        known = metric or (sources[0].metric if sources else "")
        source = read_any(path, metric=known)
        copies = sum(other.run_id.split(" (")[0] == source.run_id for other in sources)
        # What was analysed again, or came back in a bundle, keeps its id.
        sources.append(replace(source, run_id=f"{source.run_id} ({copies + 1})") if copies else source)
    return compare(sources, margin=margin, published=published, published_name=published_name, verdicts=_verdicts(rerun))


def _verdicts(rerun: Mapping[str, Any] | None) -> dict[tuple[str, str], str]:
    """What a rerun says of its quantities, so that the page says nothing else of them."""
    return {(str(one.get("kind")), str(one.get("name"))): state_of(one.get("verdict")) for one in rows(rerun or {}, "quantities")}


def read_any(path: Path, *, metric: str = "") -> Source:
    """A run's folder, a points table, or a run out of a bundle, whose unpacked folder goes as soon as it is read."""
    if path.suffix.lower() != BUNDLE or not path.is_file():
        return read_source(path, metric=metric)
    # Bundles need a crate reader that nothing else here needs.
    from frontier.bundle import open_bundle

    with tempfile.TemporaryDirectory(prefix="frontier-bundle-") as folder:
        return read_source(open_bundle(path, Path(folder)), metric=metric)


def write_comparison(
    runs: Sequence[Path],
    out: Path,
    *,
    rerun: Mapping[str, Any] | None = None,
    published: pd.DataFrame | None = None,
    published_name: str = "published points",
    metric: str = "",
    margin: float | None = None,
) -> Path:
    """Write the comparison of several runs as one self-contained HTML page, and return its path.

    Parameters
    ----------
    runs : sequence of Path
        Runs' folders, points tables, bundles; the first is the reference.
    out : Path
        The page; folders above it are made.
    rerun : mapping, optional
        A ``frontier.rerun/1`` document on the first two runs: the page begins with its verdict.
    published : DataFrame, optional
        Points of public records, held against every run's frontiers.
    published_name, metric, margin
        As for :func:`compare_paths`; with ``rerun`` its margin counts where none is given.
    """
    if margin is None and rerun is not None and isinstance(rerun.get("margin"), (int, float)):
        margin = float(rerun["margin"])
    document = compare_paths(runs, metric=metric, margin=margin, published=published, published_name=published_name, rerun=rerun)
    return write_page(document, out, rerun=rerun)


def write_page(document: Mapping[str, Any], out: Path, *, rerun: Mapping[str, Any] | None = None) -> Path:
    """Write the page of a ``frontier.compare/1`` document, and return its path. An older page of the same name is replaced."""
    write_text(out, comparison_html(document, rerun=rerun))
    return out


def comparison_file(document: Mapping[str, Any], artifacts: Path) -> Path:
    """Where a comparison is kept beside the runs: under the digest of what is compared, so that the same question has the same page."""
    names = [*(str(run["run_id"]) for run in document["runs"]), *(str(one["origin"]) for one in document["published"][:1])]
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]
    return artifacts / "comparisons" / f"{digest}.html"


def verdict_rows(pair: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What moved, one row per quantity and frontier of a pair, or per end beside published points; for a table on a terminal."""
    out = []
    for one in (*rows(pair, "quantities"), *rows(pair, "ends")):
        change = one.get("change", one)
        wanted = one.get("launches_needed")
        out.append(
            {
                "quantity": f"{one['kind']} {one['title']}" if "kind" in one else f"frontier {one['end']}" + _rows_text(one),
                "change": change["ratio"],
                "95 % interval": bounds_text(change["ci95"]),
                "verdict": verdict_word(one["state"]).lower() if change["ratio"] is not None else str(one["reason"]),
                "launches needed": "" if wanted is None else str(wanted),
            }
        )
    return out


def _rows_text(end: Mapping[str, Any]) -> str:
    return f" over {end['rows']} published rows" if "rows" in end else ""
