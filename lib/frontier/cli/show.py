"""What commands print on stdout."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from frontier.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


def print_json(document: dict[str, Any]) -> None:
    """One JSON document."""
    print(json.dumps(document, indent=1, allow_nan=False))


def print_table(frame: pd.DataFrame, title: str = "") -> None:
    """A table; never cut to a width when the output is not a terminal."""
    import pandas as pd

    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in frame.columns:
        table.add_column(str(column), justify="right" if frame[column].dtype.kind in "iuf" else "left")
    for row in frame.itertuples(index=False):
        table.add_row(*("" if pd.isna(value) else f"{value:.4g}" if isinstance(value, float) else str(value) for value in row))
    # A pipe has no width of its own: tables must not be cut to 80 columns there.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def print_engine(variants: Mapping[str, tuple[str, Sequence[Mapping[str, Any]]]], *, as_json: bool = False) -> None:
    """What would be started for every variant: files and command lines, in order; ``variants`` holds why one cannot run, and its settings."""
    if as_json:
        found = [{"variant": name, "infeasible": reason, "settings": list(settings)} for name, (reason, settings) in variants.items()]
        print_json({"schema": "frontier.engine/1", "variants": found})
        return
    from frontier.serving import command_line

    for name, (reason, settings) in variants.items():
        print(f"# {name}" + (f": cannot run: {reason}" if reason else ""))
        for setting in settings:
            if "servers" not in setting:
                print(json.dumps(setting, indent=1))
                continue
            for server in [*setting["servers"], *([setting["router"]] if setting["router"] else [])]:
                for file, text in server["files"].items():
                    print(f"cat > {file} <<'EOF'\n{text.rstrip()}\nEOF")
                print(command_line(server["env"], server["command"]))
        print()


def ratio_text(entry: dict[str, Any] | None) -> str:
    """A ratio with its interval."""
    if entry is None or entry.get("ratio", entry.get("value")) is None:
        return "not defined"
    value = entry.get("ratio", entry.get("value"))
    bounds = entry.get("ci95")
    return f"{value:.3g}x" + (f"  [{bounds[0]:.3g}, {bounds[1]:.3g}]" if bounds else "")


def _log_text(log_ratio: float | None) -> str:
    return "not defined" if log_ratio is None else f"{math.exp(log_ratio):.3g}x"


def print_rows(title: str, pairs: Sequence[tuple[str, str]], echo: Callable[[str], None] = print) -> None:
    """A title and its name-value lines."""
    echo(title)
    width = max((len(name) for name, _ in pairs), default=0)
    for name, text in pairs:
        echo(f"  {name:<{width}}  {text}")


def print_attribution(document: dict[str, Any]) -> None:
    """A ``frontier.attribution/1`` document."""
    span = document["domain"]["interactivity_tok_s_user"]
    where = "no common interactivity" if span is None else f"{span[0]:.3g} to {span[1]:.3g} tokens/s/user"
    print(f"{document['evidence']}, {document['metric']} tokens/s/GPU at equal interactivity ({where})")
    print("levels: " + ", ".join(f"{lever['name']} {'|'.join(lever['baseline'])} -> {'|'.join(lever['target'])}" for lever in document["levers"]))
    title = {"shapley": "Shapley shares", "half_fraction": "main effects of a half fraction"}.get(
        document["method"], "contributions along the observed path"
    )
    shares = [(share["lever"], ratio_text(share)) for share in document["shares"]]
    fraction = document["fraction"]
    rest = [("remainder", ratio_text(fraction["remainder"]))] if fraction and len(shares) != 4 else []
    print_rows(f"{title} (ratio, 95 % interval)", [*shares, *rest, ("product", ratio_text(document["total"]))])
    if fraction and fraction["interactions"]:
        print_rows(
            "sums of two interactions (ratio)",
            [
                (f"{':'.join(row['levers'])} {'+' if row['sign'] > 0 else '-'} {':'.join(row['aliased_with'])}", _log_text(row["log_ratio"]))
                for row in fraction["interactions"]
            ],
        )
    if fraction:
        for line in [*fraction["aliasing"], *([fraction["not_identifiable"]] if fraction["not_identifiable"] else [])]:
            print(line)
    lost: dict[str, list[str]] = {}
    for cell in document["cells"]:
        if cell["status"] not in ("done", "not_run"):  # what a half fraction leaves out stands in its aliasing
            lost.setdefault(f"{cell['status'].replace('_', ' ')}: {cell['reason']}", []).append(cell["cell"])
    for reason, names in lost.items():
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        print(f"{len(names)} cell{'s' if len(names) > 1 else ''} {reason} ({shown})")
    if document["companion"]:
        print()
        print_attribution(document["companion"])


def print_shift(document: dict[str, Any]) -> None:
    """A ``frontier.shift/1`` document."""
    ratio = document["ratio"]
    reason = f" ({document['reason']})" if ratio is None else ""
    print(f"{document['metric']} {document['throughput_unit']} at equal interactivity: {ratio_text(ratio)}{reason}")
    print_rows(
        "beside it",
        [
            ("peak throughput", f"{document['peak_ratio']:.3g}x"),
            ("largest interactivity", f"{document['max_interactivity_ratio']:.3g}x"),
            ("hypervolume", f"{document['hypervolume_ratio']:.3g}x"),
        ],
    )
    if document["factors"]:
        print_rows("factors (ratio, 95 % interval)", [(f["cause"], f"{ratio_text(f)}  {f['points']} points") for f in document["factors"]])
    if document["corrected_ratio"]:
        little = document["little_ratio"]
        known = all(little[side]["median"] is not None for side in little)
        medians = f" (median Little ratio {little['before']['median']:.3g} before, {little['after']['median']:.3g} after)" if known else ""
        print(f"after corrections: {ratio_text(document['corrected_ratio'])}{medians}")
    matched = document["matched"]
    if matched["ratio"]:
        print(f"configurations on both sides only: {ratio_text(matched['ratio'])}  {matched['configurations']} of them")
    print(f"verdict: {', '.join(document['verdict']) or 'nothing separated from noise'} ({document['verdict_rule']})")
    for check in document["checks"]:
        effect = "" if check["effect_ratio"] is None else f", frontier with/without them {check['effect_ratio']:.4g}x"
        effect += "" if check["effect_corrected"] is None else f", as given/corrected {check['effect_corrected']:.4g}x"
        print(f"check {check['check']}: {check['points']} points of {check['side']}{effect}; {check['saw']}")
    if "changelog" in document:
        print_changes(document["changelog"])
    for note in document["notes"]:
        print(f"note: {note}")


def print_changes(changes: dict[str, Any]) -> None:
    """Entries of a change log that can explain a shift."""
    print(f"change log: {changes['note']}")
    for entry in changes["entries"][:5]:
        text = " ".join(str(entry["text"]).split())
        print(f"  {entry['date']}  {entry['link'] or entry['id']}  {text[:100]}{'...' if len(text) > 100 else ''}")
    if len(changes["entries"]) > 5:
        print(f"  and {len(changes['entries']) - 5} more (--json lists them)")


def print_timeline(document: dict[str, Any]) -> None:
    """A ``frontier.timeline/1`` document: one line for each step."""
    import pandas as pd

    from frontier.timeline import timeline_rows

    rows = timeline_rows(document)
    if rows:
        print_table(pd.DataFrame(rows))
    quiet = sum(bool(series["quiet"]) for series in document["series"])
    print(f"{len(document['series'])} series, {quiet} of them without a step")


def draw_timeline(document: dict[str, Any], file: Path) -> None:
    """The figure of a ``frontier.timeline/1`` document, written to a file whose ending says the format."""
    from frontier.report import fig_timeline

    endings = (".png", ".svg", ".pdf")
    if file.suffix.lower() not in endings:
        raise UsageError(f"--figure takes a file that ends in {', '.join(endings)}, got {file.name!r}", hint=f"--figure {file.stem}.png")
    fig_timeline(document).savefig(file, dpi=160)
    print(f"figure: {file}", file=sys.stderr)
