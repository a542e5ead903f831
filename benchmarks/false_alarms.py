"""How often a shift is called real on nights without change, and how large a change must be to be seen.

    python benchmarks/false_alarms.py POINTS [--nights FIRST LAST] [--resamples N] [--json FILE]
    python benchmarks/false_alarms.py --draw JSON --figure FILE

POINTS is a points table of the InferenceX record (``frontier import inferencex``). Every pair of consecutive nights of every series of unchanged
configurations is put through ``frontier.shift.account``: whatever it calls real is a false alarm. The noise model is never judged on what it was
fitted on: it is fitted anew without the series that is judged, and once more without all series of its hardware, as for a GPU that the record does
not hold. For the power, the throughput of the later night (or its speed: interactivity and throughput together) is multiplied by a known factor.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from frontier.evidence.record_noise import NIGHTS, RecordNoise, noise_table, series_names
from frontier.evidence.record_noise import model as noise_model
from frontier.evidence.record_noise.calibrate import night_pairs
from frontier.records import INTERACTIVITY, METRICS, read_points
from frontier.shift import account

SOME = 40  # pairs of nights on which a speed-up is tried
CHANGES = (0.01, 0.02, 0.03, 0.05, 0.10, 0.20)
SPEED_TIMES = {"median_tpot_s": -1, "p99_tpot_s": -1, "median_itl_s": -1, "median_e2el_s": -1, "p99_e2el_s": -1, "median_ttft_s": -1}


@dataclass(frozen=True)
class Pair:
    """Two consecutive nights of one series, cut to the configurations that ran on both."""

    series: str
    hardware: str
    before: pd.DataFrame
    after: pd.DataFrame
    held: bool  # whether a machine held up some run of either night

    @property
    def name(self) -> str:
        """The series and the two dates."""
        return f"{self.series} {self.before['date'].iloc[0]} -> {self.after['date'].iloc[0]}"


def pairs(points: pd.DataFrame, nights: tuple[str, str]) -> Iterator[Pair]:
    """Consecutive nights of every series within the nights of unchanged images."""
    for name, before, after, held in night_pairs(points, nights):
        yield Pair(name, str(before["hardware"].iloc[0]), before, after, held)


def changed(frame: pd.DataFrame, factor: float, kind: str) -> pd.DataFrame:
    """The table with its throughput, or its whole speed, multiplied by a factor."""
    out = frame.copy()
    for column in METRICS.values():
        out[column] = out[column] * factor
    if kind == "speed":
        out[INTERACTIVITY] = out[INTERACTIVITY] * factor
        for column, power in SPEED_TIMES.items():
            out[column] = out[column] * factor**power
    return out


def judged(pair: Pair, model: RecordNoise, resamples: int, after: pd.DataFrame | None = None) -> dict[str, Any]:
    """What the account calls real: the headline ratio, and the causes of its verdict."""
    with mock.patch.object(noise_model, "_shipped", return_value=model):
        document = account(pair.before, pair.after if after is None else after, resamples=resamples)
    ratio = document["ratio"] or {"value": np.nan, "ci95": None}
    low, high = ratio["ci95"] or (np.nan, np.nan)
    return {
        "ratio": ratio["value"], "low": low, "high": high,
        "half_width": float(np.log(high / low) / 2), "headline": low > 1 or high < 1, "up": low > 1,
        "verdict": list(document["verdict"]), "state": document["state"], "factors": len(document["factors"]),
    }  # fmt: skip


def group_of(pair: Pair) -> str:
    """Hardware and engine of a pair."""
    return f"{pair.hardware} {pair.before['engine'].iloc[0]}"


def alarms(found: list[Pair], model_of: Callable[[Pair], RecordNoise], resamples: int) -> pd.DataFrame:
    """One row per pair of nights."""
    rows = []
    for pair in found:
        one = judged(pair, model_of(pair), resamples)
        rows.append({"pair": pair.name, "series": pair.series, "group": group_of(pair), "held": pair.held, **one, "named": bool(one["verdict"])})
    return pd.DataFrame(rows)


def power(table: pd.DataFrame) -> pd.DataFrame:
    """Share of the steady pairs in which a throughput multiplied by a known factor is called real, and in the right direction.

    Such a change multiplies every throughput ratio and all its draws by the same factor, so that the interval moves along and no account needs
    to be run again; :func:`checked` runs some.
    """
    steady = table[~table["held"]]
    return pd.concat(
        [
            pd.DataFrame({"kind": "throughput", "change": change, "group": steady["group"], "seen": steady["low"] * (1 + change) > 1})
            for change in CHANGES
        ],
        ignore_index=True,
    )


def speed_power(found: list[Pair], model_of: Callable[[Pair], RecordNoise], resamples: int) -> pd.DataFrame:
    """The same for a speed-up: interactivity and throughput together, which moves the range too."""
    rows = []
    for change in CHANGES:
        for pair in found:
            one = judged(pair, model_of(pair), resamples, changed(pair.after, 1 + change, "speed"))
            rows.append({"kind": "speed", "change": change, "group": group_of(pair), "seen": one["up"]})
    return pd.DataFrame(rows)


def checked(found: list[Pair], table: pd.DataFrame, model_of: Callable[[Pair], RecordNoise], resamples: int) -> float:
    """Largest relative difference between an interval moved by a factor and that of an account of the changed table."""
    worst = 0.0
    by_name = table.set_index("pair")
    for pair in found:
        one = judged(pair, model_of(pair), resamples, changed(pair.after, 1.05, "throughput"))
        worst = max(worst, abs(one["low"] / (by_name.loc[pair.name, "low"] * 1.05) - 1))
    return worst


def without(points: pd.DataFrame, nights: tuple[str, str]) -> tuple[Callable[[Pair], RecordNoise], Callable[[Pair], RecordNoise]]:
    """Models fitted without a pair's series, and without its hardware."""
    name = series_names(points)
    cache: dict[tuple[str, str], RecordNoise] = {}

    def fitted(kind: str, value: str, keep: pd.Series[bool]) -> RecordNoise:
        if (kind, value) not in cache:
            cache[kind, value] = RecordNoise.fit(points[keep], nights)
        return cache[kind, value]

    return (
        lambda pair: fitted("series", pair.series, name != pair.series),
        lambda pair: fitted("hardware", pair.hardware, points["hardware"] != pair.hardware),
    )


def rate(count: int, of: int) -> str:
    """A count and its share in percent."""
    return f"{count} of {of} ({100 * count / of:.1f} %)" if of else "0 of 0"


def report(tables: dict[str, pd.DataFrame], powers: pd.DataFrame) -> str:
    """The tables of docs/noise.md."""
    lines = ["| fitted without | nights | headline called real | a cause named | median half-width |", "|---|---|--:|--:|--:|"]
    for name, table in tables.items():
        for label, part in (("steady", table[~table["held"]]), ("with held-up runs", table[table["held"]]), ("all", table)):
            lines.append(
                f"| {name} | {label} | {rate(int(part['headline'].sum()), len(part))} | {rate(int(part['named'].sum()), len(part))} | "
                f"{100 * part['half_width'].median():.1f} % |"
            )
    first = next(iter(tables.values()))
    lines += ["", "| group | pairs of nights | called real | median half-width |", "|---|--:|--:|--:|"]
    for group, part in first.groupby("group"):
        lines.append(f"| {group} | {len(part)} | {int(part['headline'].sum())} | {100 * part['half_width'].median():.1f} % |")
    lines += ["", "| change | " + " | ".join(f"{100 * change:.0f} %" for change in CHANGES) + " |", "|---|" + "--:|" * len(CHANGES)]
    for kind, part in powers.groupby("kind"):
        seen = part.groupby("change")["seen"].mean()
        lines.append(f"| {kind}, all | " + " | ".join(f"{100 * seen[change]:.0f} %" for change in CHANGES) + " |")
    for group, part in powers[powers["kind"] == "throughput"].groupby("group"):
        seen = part.groupby("change")["seen"].mean()
        lines.append(f"| throughput, {group} | " + " | ".join(f"{100 * seen[change]:.0f} %" for change in CHANGES) + " |")
    return "\n".join(lines) + "\n"


def drawn(powers: pd.DataFrame) -> bytes:
    """The figure of docs/noise.md as PNG: power by size of the change, and spread by group."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from frontier.report.style import INK, MUTED, ReportFigure, drawing, log_ticks, style_at, to_png

    spread = noise_table()
    with drawing():
        figure = ReportFigure(figsize=(9.2, 5.2), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
        lines = {"throughput and interactivity up": powers[powers["kind"] == "speed"], "throughput up": powers[powers["kind"] == "throughput"]}
        steady, loud = "b200_sxm sglang", "mi300x sglang"
        of_throughput = lines["throughput up"]
        lines |= {f"throughput up, {name}": of_throughput[of_throughput["group"] == name] for name in (steady, loud)}
        for place, (name, part) in enumerate(lines.items()):
            seen, style = part.groupby("change")["seen"].mean(), style_at(place)
            left.plot(seen.index, seen, color=style.color, marker=style.marker, linestyle=style.line, linewidth=1.8, markersize=5.5, label=name)
        left.set(xscale="log", ylim=(0, 1.02), xlabel="true change", ylabel="share of pairs of nights that show it")
        log_ticks(left.xaxis, 0.009, 0.22, lambda value: f"{100 * value:g} %")
        left.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        left.set_title("how often a change is seen", loc="left", color=MUTED, pad=9)
        left.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.16), fontsize=8.5)
        names = [f"{row.hardware} {row.engine}".strip() for row in spread.itertuples()]
        at = np.arange(len(names))[::-1]
        for place, (name, offset) in enumerate((("speed", 0.14), ("own", -0.14))):
            style = style_at(place)
            low, high = 100 * spread[f"{name}_median"], 100 * spread[f"{name}_high"]
            right.hlines(at + offset, low, high, color=style.color, linewidth=1.6)
            label = "speed (moves both axes)" if name == "speed" else "throughput's own"
            right.plot(low, at + offset, linestyle="none", color=style.color, marker=style.marker, markersize=5.5, label=label)
        right.set(xscale="log", xlabel="standard deviation of one run\n(mark: typical, end of line: noisy)")
        log_ticks(right.xaxis, 0.04, 6, lambda value: f"{value:g} %")
        right.set_yticks(at, names, color=INK, fontsize=9)
        right.set_title("spread of repeated runs", loc="left", color=MUTED, pad=9)
        right.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.24), fontsize=8.5)
        for axes in (left, right):
            axes.tick_params(length=0)
    return to_png(figure)


def main() -> int:
    """Run the benchmark; prints Markdown."""
    parser = argparse.ArgumentParser(prog="benchmarks/false_alarms.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("points", type=Path, nargs="?")
    parser.add_argument("--nights", nargs=2, default=NIGHTS, metavar=("FIRST", "LAST"))
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--json", type=Path, help="where the results go")
    parser.add_argument("--draw", type=Path, metavar="JSON", help="results to draw instead of measuring")
    parser.add_argument("--figure", type=Path, help="where the figure goes (PNG)")
    chosen = parser.parse_args()
    if chosen.draw is not None and chosen.figure is not None:
        chosen.figure.write_bytes(drawn(pd.DataFrame(json.loads(chosen.draw.read_text(encoding="utf-8"))["power"])))
        return 0
    if chosen.points is None:
        parser.error("name a points table, or --draw JSON --figure FILE")
    nights = (chosen.nights[0], chosen.nights[1])
    points = read_points(chosen.points)
    found = list(pairs(points, nights))
    by_series, by_hardware = without(points, nights)
    start = time.perf_counter()
    tables = {"its series": alarms(found, by_series, chosen.resamples), "its hardware": alarms(found, by_hardware, chosen.resamples)}
    tables["none (the shipped model)"] = alarms(found, lambda _: RecordNoise.shipped(), chosen.resamples)
    seconds = (time.perf_counter() - start) / (3 * len(found))
    steady = [pair for pair in found if not pair.held]
    some = steady[:: max(1, len(steady) // SOME)]
    powers = pd.concat([power(tables["its series"]), speed_power(some, by_series, chosen.resamples)], ignore_index=True)
    worst = checked(some[:10], tables["its series"], by_series, chosen.resamples)
    sys.stdout.write(report(tables, powers))
    sys.stderr.write(f"{len(found)} pairs of nights of {len({p.series for p in found})} series; {1000 * seconds:.0f} ms per account\n")
    sys.stderr.write(f"intervals of changed throughput: moved along within {worst:.1e} of an account's; speed: {len(some)} pairs\n")
    for name, table in tables.items():
        called = table[table["headline"] | table["named"]]
        sys.stderr.write(f"called real, fitted without {name}:\n" + called[["pair", "ratio", "half_width", "held", "verdict"]].to_string() + "\n")
        sys.stderr.write(f"factors per shift: {dict(Counter(table['factors']))}\n")
    if chosen.json is not None:
        document = {"alarms": {name: table.to_dict("records") for name, table in tables.items()}, "power": powers.to_dict("records")}
        chosen.json.write_text(json.dumps(document, default=str, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
