"""A timeline document as rows for a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

QUIET = "no step"


def timeline_rows(document: Mapping[str, Any], *, quiet: bool = False) -> list[dict[str, Any]]:
    """One row per step, in the order of the document; with ``quiet`` also one per series without a step.

    Keys: ``series``, ``from``, ``to``, ``ratio``, ``low``, ``high`` (bounds of the 95 % interval), ``cause`` (the label), ``change_log``. What
    is undefined is None.
    """
    out = []
    for entry in document["series"]:
        dates = [date["date"] for date in entry["dates"]]
        for step in entry["steps"]:
            ratio = (step["shift"] or {}).get("ratio") or {"value": None, "ci95": None}
            low, high = ratio["ci95"] or (None, None)
            out.append(
                {
                    "series": entry["title"], "from": step["from"], "to": step["to"], "ratio": ratio["value"], "low": low, "high": high,
                    "cause": step["label"], "change_log": changelog_words(step["changelog"]),
                }
            )  # fmt: skip
        if quiet and entry["quiet"]:
            why = f"{QUIET} in {len(dates)} dates" if len(dates) > 1 else "one date"
            gaps = "; ".join(f"{gap['from']} and {gap['to']} share no interactivity" for gap in entry["gaps"])
            out.append(
                {
                    "series": entry["title"], "from": dates[0], "to": dates[-1], "ratio": None, "low": None, "high": None,
                    "cause": f"{why}; {gaps}" if gaps else why, "change_log": "",
                }
            )  # fmt: skip
    return out


def changelog_words(told: Mapping[str, Any] | None) -> str:
    """What a change log says of a step, short: the entry's number, or that several cannot be told apart."""
    if told is None or told["verdict"] == "none":
        return ""
    names = [f"#{entry['id']}" if entry["id"] else f"entry {entry['number']}" for entry in told["entries"] if entry["candidate"]]
    return names[0] if told["verdict"] == "one" else f"not separable: {', '.join(names[:4])}{' ...' if len(names) > 4 else ''}"
