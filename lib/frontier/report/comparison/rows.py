"""Tables of the comparison as plain cells: the runs, what moved, by which factor, and what else differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from frontier.report.comparison.words import NONE, bounds_text, cause_word, ratio_text, short, verdict_word
from frontier.report.document import Document, number, part, rows
from frontier.report.tables import Cell, Table
from frontier.report.wording import factor, listed, quantity, upper_first

UNDECIDED = "the interval neither excludes no change nor lies within the margin"


def runs_table(document: Document) -> Table:
    """One column per run, one row per fact that any of them states."""
    runs = rows(document, "runs")
    facts: list[tuple[str, list[str]]] = [
        ("Run", [f"{run.get('run_id')}{' (from a bundle)' if run.get('kind') == 'bundle' else ''}" for run in runs]),
        ("Experiment", [str(run.get("title")) for run in runs]),
        ("Made", [time_text(str(run.get("created_utc") or "")) for run in runs]),
        ("Evidence", [str(run.get("evidence")) for run in runs]),
        ("Model", [_values(run, "model") for run in runs]),
        ("Hardware", [_values(run, "hardware") for run in runs]),
        ("Engine", [" ".join((_values(run, "engine"), _values(run, "engine_version"))).strip() for run in runs]),
        ("Engine's image", [short(_values(run, "image")) for run in runs]),
        ("Container", [str(run.get("image_id") or "").removeprefix("sha256:")[:16] for run in runs]),
        ("Kit", [str(run.get("kit_commit") or "")[:12] for run in runs]),
        ("Machine", [short(str(run.get("machine") or ""), 60) for run in runs]),
        ("Points", [f"{run.get('points')} of {run.get('variants')} variants, {_launches(run)}" for run in runs]),
    ]
    body = [[Cell(name), *(Cell(text or "not stated") for text in texts)] for name, texts in facts if any(texts)]
    return Table(("", *(str(run.get("label")) for run in runs)), body)


def _launches(run: Document) -> str:
    count = int(number(run.get("launches")) if number(run.get("launches")) == number(run.get("launches")) else 0)
    return f"{count} launch{'es' if count != 1 else ''} each" if count else "launches not stated"


def _values(run: Document, key: str) -> str:
    return ", ".join(map(str, run.get(key) or []))


def time_text(text: str) -> str:
    """An ISO time without what every one of them says."""
    return text.replace("T", " ").removesuffix("+00:00") + (" UTC" if "T" in text else "")


def overview_table(document: Document) -> Table:
    """Every quantity of every run with its interval, one column per run."""
    runs = rows(document, "runs")
    found = {(str(one.get("kind")), str(one.get("name"))): str(one.get("title")) for run in runs for one in rows(run, "quantities")}
    body = []
    for (kind, name), title in found.items():
        texts = [
            next((ratio_text(one) for one in rows(run, "quantities") if (one.get("kind"), one.get("name")) == (kind, name)), NONE) for run in runs
        ]
        body.append([Cell(_called(kind, title)), *map(Cell, texts)])
    heads = ("Factor (95 % interval)", *(f"{run.get('label')}" for run in runs))
    return Table(heads, body, strong=frozenset({0}) if body else frozenset())


def called_in_prose(one: Document) -> str:
    """A quantity inside a sentence."""
    title = str(one.get("title") or one.get("name"))
    return f"the share of {title}" if one.get("kind") == "share" else f"the {title}"


def _called(kind: str, title: str) -> str:
    """A quantity for people: shares are of a change, shifts are of the frontier."""
    return f"Share: {title}" if kind == "share" else upper_first(title)


def _value(entry: object) -> str:
    """A ratio alone: its interval stands in the run's own column above."""
    return factor(number(entry.get("ratio"))) if isinstance(entry, Mapping) else NONE


def change_rows(pair: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The judged quantities of a pair, then its frontiers' ends, as one list: title, values, change, verdict, reason."""
    out = [
        {
            "title": _called(str(one.get("kind")), str(one.get("title"))), "original": _value(one.get("original")),
            "new": _value(one.get("new", one.get("rerun"))), "change": part(one, "change"), "verdict": str(one.get("state", one.get("verdict"))),
            "launches_needed": one.get("launches_needed"), "reason": str(one.get("reason") or ""),
        }
        for one in rows(pair, "quantities")
    ]  # fmt: skip
    for end in rows(pair, "ends"):
        out.append(
            {
                "title": f"Frontier: {end.get('end')}", "original": "", "new": "", "change": end, "verdict": str(end.get("state")),
                "launches_needed": end.get("launches_needed"), "reason": str(end.get("reason") or ""),
            }
        )  # fmt: skip
    return out


def change_table(pair: Mapping[str, Any], names: tuple[str, str]) -> Table:
    """What moved: both values, the change with its 95 % interval, and what may be said of it.

    Parameters
    ----------
    pair : mapping
        A pair of a ``frontier.compare/1`` document, or a ``frontier.rerun/1`` document.
    names : (str, str)
        What to call the two runs in the heads.
    """
    body = []
    for row in change_rows(pair):
        change, wanted = row["change"], number(row["launches_needed"])
        value = number(change.get("ratio"))
        advice = f"about {wanted:.0f} launches per variant would settle it" if wanted == wanted else ""
        # What "not resolved" means stands below once, not in every row.
        reason = row["reason"] if UNDECIDED not in row["reason"] else row["reason"].replace(UNDECIDED, "").rstrip(". ")
        said = "; ".join(text for text in (verdict_word(row["verdict"]), reason, advice) if text)
        body.append(
            [
                Cell(row["title"]), Cell(row["original"] or NONE), Cell(row["new"] or NONE), Cell(factor(value), value if value == value else None),
                Cell(bounds_text(change.get("ci95"))), Cell(said),
            ]
        )  # fmt: skip
    heads = ("Quantity", *names, "Change", "95 % interval", "Verdict")
    return Table(heads, body, numeric=frozenset({1, 2, 3}), strong=frozenset({0}) if body else frozenset())


def factors_table(pair: Document) -> Table | None:
    """By which factors the frontiers moved; their product is the whole. None where there is nothing to split."""
    body = []
    for end in rows(pair, "ends"):
        named = {str(cause) for cause in end.get("separated") or []}
        for one in rows(end, "factors"):
            cause, value = str(one.get("cause")), number(one.get("ratio"))
            noise = "stands out of the noise" if cause in named else "not told from noise"
            cells = [Cell(str(end.get("end"))), Cell(cause_word(cause)), Cell(factor(value), value if value == value else None)]
            body.append([*cells, Cell(bounds_text(one.get("ci95"))), Cell(noise)])
    return Table(("Frontier", "Cause", "Factor", "95 % interval", ""), body, numeric=frozenset({2})) if body else None


def probes_table(pair: Document, names: tuple[str, str]) -> Table | None:
    """How fast the machine itself was; None without probes."""
    body = []
    for one in rows(pair, "probes"):
        old, new, ratio = (number(one.get(key)) for key in ("original", "new", "ratio"))
        cells = [Cell(str(one.get("title"))), Cell(quantity(old)), Cell(quantity(new)), Cell(factor(ratio), ratio)]
        body.append([*cells, Cell(f"{100 * number(one.get('spread')):.0f} %")])
    heads = ("Probe", f"{names[0]}, median", f"{names[1]}, median", "Ratio", "Spread within a run")
    return Table(heads, body, numeric=frozenset({1, 2, 3})) if body else None


def environment_table(found: Sequence[Document], names: tuple[str, str], *, new: str = "new") -> Table | None:
    """What else differs, likely causes first and marked; None where nothing does."""
    body = [
        [
            Cell(str(one.get("fact"))), Cell(short(str(one.get("original")), 120)), Cell(short(str(one.get(new)), 120)),
            Cell("likely" if one.get("likely_cause") else "unlikely"), Cell(str(one.get("why") or "")),
        ]
        for one in found
    ]  # fmt: skip
    return Table(("Fact", *names, "As a cause", "Why"), body) if body else None


def published_table(document: Document) -> Table | None:
    """Every run's ends against the published points of the same configuration; None without any."""
    labels = {str(run.get("run_id")): str(run.get("label")) for run in rows(document, "runs")}
    body = []
    for one in rows(document, "published"):
        label = labels.get(str(one.get("run_id")), "")
        for end in rows(one, "ends"):
            value = number(end.get("ratio"))
            said = "; ".join(text for text in (verdict_word(end.get("state")) if value == value else "", str(end.get("reason") or "")) if text)
            said = said.replace("Did not move", "Agrees within the margin").replace("Moved", "Differs")
            cells = [Cell(label), Cell(str(end.get("end"))), Cell(str(end.get("rows"))), Cell(factor(value), value if value == value else None)]
            body.append([*cells, Cell(bounds_text(end.get("ci95"))), Cell(said)])
        shift = part(one, "shift")
        if shift:
            said = f"published {ratio_text(shift)}, this run {_headline(document, str(one.get('run_id')))}"
            body.append([Cell(label), Cell("whole shift"), Cell(""), Cell(NONE), Cell(NONE), Cell(said)])
    heads = ("Run", "Frontier", "Published rows", "Run over published", "95 % interval", "Verdict")
    return Table(heads, body, numeric=frozenset({2, 3})) if body else None


def _headline(document: Document, run_id: str) -> str:
    """A run's whole shift at equal interactivity, which is the first of its quantities."""
    found = [one for run in rows(document, "runs") if run.get("run_id") == run_id for one in rows(run, "quantities")]
    return ratio_text(found[0]) if found else NONE


def origins(document: Document) -> str:
    """Where the published points came from, and of which kind they are."""
    return listed(sorted({f"{one.get('origin')} ({one.get('evidence')})" for one in rows(document, "published")}))
