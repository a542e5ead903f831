"""Which entries of a change log can explain a shift between two dates, and whether one of them can be told from the others."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from frontier.changelog.keys import RANKS, key_match
from frontier.errors import UsageError

LAG_DAYS = 7  # an entry merged this long before the first snapshot may still have run only after it
_ABOUT: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "mtp": r"\bmtp\d?\b|eagle|speculative|spec-decoding|draft[- ]token",
        "disaggregation": r"disagg|\bpd/d\b|prefill/decode|\b\d+p\d+d\b",
        "parallelism": r"\b(?:tp|ep|dp|pp|tep|dep)[ =:-]?\d*\b|parallel|search[- ]space|dp-attn|ep-size|\bworkers?\b"
        r"|(?:more|new) (?:\w+ )*config",
        "concurrency": r"concurrenc|\bconc\b|sweep point",
        "harness": r"warm-?up|benchmark_serving|num[-_]prompts|chat[- ]template|tokenizer|max-model-len|range[-_]ratio|client",
        "precision": r"quantiz|dtype|checkpoint|\bweights\b",
        "coverage": r"\bprun|\bremov|truncat|\breduce (?:\w+ )*(?:points|sweep|overlap)|comment out",
        "label": r"metadata|inconsisten|rename|label",
        "software": r"\bimage\b|container|\bdocker\b|upgrade|\bversion\b|\bbump|backend|kernel|torch\.compile|cuda[- ]graph|kv[-_ ]?cache|chunked"
        r"|env(?:ironment)? var|\bflags?\b|\bfix|improve|tune|optimi|switch to|upstream",
    }.items()
}
_EVALS = re.compile(r"eval|gsm8k|accuracy|lm-eval|exclusive", re.IGNORECASE)
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?(?:[.\-]?(?:rc|post|pre|dev)\d*)*", re.IGNORECASE)


def match(
    changelog: pd.DataFrame,
    series: Mapping[str, Any],
    *,
    before_date: str,
    after_date: str,
    causes: Sequence[str] = (),
    images: tuple[Collection[str], Collection[str]] = ((), ()),
    dates: Collection[str] = (),
    lag_days: int = LAG_DAYS,
) -> dict[str, Any]:
    """The entries that can explain what happened to a series between two snapshots.

    Parameters
    ----------
    changelog : DataFrame
        As :func:`frontier.changelog.read_changelog` gives it.
    series : mapping
        As for :func:`frontier.changelog.series_keys`.
    before_date, after_date : str, ISO
        Dates of the two snapshots. A change runs on the day of its merge or later, never before.
    causes : sequence of str
        Causes that the account names, as ``software`` or ``search_space:parallelism``.
    images : (collection of str, collection of str)
        Images that the rows before and after name.
    dates : collection of str, ISO
        Dates on which the record has a snapshot of this series.
    lag_days : int
        Entries merged up to so long before ``before_date`` (that day included) are looked at too, ranked below those between the two dates.

    Returns
    -------
    dict
        ``verdict``: ``one``, ``not_separable`` or ``none``; ``entries``, the most likely first, each with its date, id, number, link, text, the
        keys that match, ``key_match``, ``window`` (``between`` or ``lag``), ``about`` (subjects of the text), ``agrees`` (what in the text agrees
        with what moved), ``changes_a_run`` (false where the text speaks of evaluations only) and ``candidate`` (whether the verdict counts it);
        ``by_cause``: cause -> ids or numbers of
        entries that speak of it; ``separating_dates``: dates of the record that lie between two entries; ``note``: the verdict in words.

    Raises
    ------
    UsageError
        If the dates are not in order.
    """
    first, last = (_day(text) for text in (before_date, after_date))
    if last < first:
        raise UsageError(f"before_date must not be later than after_date, got {before_date} and {after_date}")
    earliest = first - datetime.timedelta(days=lag_days)
    window = changelog[(changelog["date"] >= earliest.isoformat()) & (changelog["date"] <= last.isoformat())]
    since = _own_key_since(changelog, series)
    found = [entry for row in window.to_dict("records") if (entry := _entry(row, series, first, since, causes, images)) is not None]
    found.sort(
        key=lambda entry: (entry["window"] == "between", entry["changes_a_run"], RANKS[entry["key_match"]], len(entry["agrees"]), entry["date"]),
        reverse=True,
    )
    between = [entry for entry in found if entry["window"] == "between" and entry["changes_a_run"]]
    candidates = between or [entry for entry in found if entry["changes_a_run"]]
    for entry in found:
        entry["candidate"] = any(entry is candidate for candidate in candidates)
    separating = _separating(candidates, dates, first, last)
    verdict = "none" if not candidates else "one" if len(candidates) == 1 else "not_separable"
    return {
        "verdict": verdict,
        "entries": found,
        "by_cause": {cause: [_name(e) for e in candidates if _subject(cause) in e["about"]] for cause in causes},
        "separating_dates": separating,
        "note": _note(verdict, candidates, between, separating, before_date, after_date, lag_days),
    }


def _own_key_since(changelog: pd.DataFrame, series: Mapping[str, Any]) -> str | None:
    """The date from which the log has a key of its own for this series with speculative decoding; None where it has none."""
    exact = [date for date, keys in zip(changelog["date"], changelog["keys"], strict=True) if any(key_match(key, series) == "exact" for key in keys)]
    return str(min(exact)) if exact else None


def _entry(
    row: Mapping[Any, Any],
    series: Mapping[str, Any],
    first: datetime.date,
    since: str | None,
    causes: Sequence[str],
    images: tuple[Collection[str], Collection[str]],
) -> dict[str, Any] | None:
    """An entry of the window with how it names the series and what in it agrees; None where it names another one."""
    kinds = {key: kind for key in row["keys"] if (kind := key_match(key, series)) is not None}
    if since is not None and row["date"] >= since and not _ABOUT["mtp"].search(str(row["text"])):
        # Once a log keys the series with speculative decoding apart, the common key means the series without it.
        kinds = {key: kind for key, kind in kinds.items() if kind != "family"}
    fixed_lengths = pd.notna(series.get("isl_tokens")) and pd.notna(series.get("osl_tokens"))
    if not kinds or (row["scenario"] == "agentic-coding" and fixed_lengths):
        return None
    text = str(row["text"])
    about = [name for name, pattern in _ABOUT.items() if pattern.search(text)]
    only_evals = row["evals_only"] is True or (not about and bool(_EVALS.search(text)))
    return {
        "date": row["date"],
        "id": row["id"] if pd.notna(row["id"]) else None,
        "number": int(row["number"]),
        "link": row["link"] if pd.notna(row["link"]) else None,
        "text": text,
        "keys": list(kinds),
        "key_match": max(kinds.values(), key=RANKS.__getitem__),
        "window": "between" if _day(row["date"]) > first else "lag",
        "about": about,
        "agrees": [*_images_named(text, images), *(cause for cause in causes if _subject(cause) in about)],
        "changes_a_run": not only_evals,
    }


def _images_named(text: str, images: tuple[Collection[str], Collection[str]]) -> list[str]:
    """Which sides' image versions the text names."""
    named = {version.lower() for version in _VERSION.findall(text)}
    out = []
    for side, tags in zip(("before", "after"), images, strict=True):
        versions = {version.lower() for tag in tags for version in _VERSION.findall(tag.rsplit(":", 1)[-1])}
        if named & versions:
            out.append(f"image {side}: {', '.join(sorted(named & versions))}")
    return out


def _subject(cause: str) -> str:
    """What an entry that made this cause would speak of."""
    return cause.split(":", 1)[-1]


def _separating(candidates: Sequence[Mapping[str, Any]], dates: Collection[str], first: datetime.date, last: datetime.date) -> list[str]:
    """Dates of the record inside the window on which some of the candidates had been merged and others had not."""
    merged = sorted({str(entry["date"]) for entry in candidates})
    if len(merged) < 2:
        return []
    return sorted(date for date in set(dates) if merged[0] <= date < merged[-1] and first < _day(date) < last)


def _note(
    verdict: str,
    candidates: Sequence[Mapping[str, Any]],
    between: Sequence[Mapping[str, Any]],
    separating: Sequence[str],
    before: str,
    after: str,
    lag: int,
) -> str:
    """The verdict in words."""
    if verdict == "none":
        return f"No entry names this series between {before} and {after}, nor in the {lag} days before."
    late = "" if between else f", merged before {before}: it may have run only later"
    if verdict == "one":
        return f"One entry names this series in the window: {_name(candidates[0])} of {candidates[0]['date']}{late}."
    merged = sorted({str(entry["date"]) for entry in candidates})
    names = ", ".join(_name(entry) for entry in candidates)
    head = f"{len(candidates)} entries name this series in the window ({names}){late}, so they cannot be told apart"
    if separating:
        return f"{head}; the record has snapshots on {', '.join(separating)} that lie between them."
    if len(merged) > 1:
        return f"{head}; a run from {merged[0]} up to the day before {merged[-1]} would, and the record has none."
    return f"{head}; they were merged on one day."


def _name(entry: Mapping[str, Any]) -> str:
    return f"#{entry['id']}" if entry["id"] else f"entry {entry['number']} without a number"


def _day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(str(text)[:10])
