"""The main job, run for real, and its headline numbers checked by hand.

"By hand" means: from the rows of ``points.parquet``, in plain Python written for this page alone, without the library's frontiers, curves or
games. One ratio (at the claim's interactivity), one published throughput (from the latencies of the record) and every Shapley share (as the
mean over all orders of the levers) are computed a second time and compared with the numbers that the report prints.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

LEVERS = ["hardware", "precision", "parallelism", "mtp", "disaggregation"]
UNLOCKED = LEVERS[1:]
GRID = 65  # sweep.grid_points

Point = tuple[float, float]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    artifacts = tmp_path_factory.mktemp("artifacts")
    command = [sys.executable, "-m", "frontier.cli", "run", "experiment=deepseek_r1_h200_to_gb200", f"paths.artifacts_dir={artifacts}", "--json"]
    done = subprocess.run([*command, "--quiet"], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["path"])


@pytest.fixture(scope="module")
def document(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "attribution.json").read_text())
    return found


@pytest.fixture(scope="module")
def cells(run: Path) -> dict[frozenset[str], list[Point]]:
    """Points of every cell, by the levers at target."""
    rows = pd.read_parquet(run / "points.parquet")
    out: dict[frozenset[str], list[Point]] = {}
    for row in rows.to_dict("records"):
        key = frozenset(lever for lever in LEVERS if row[f"level_{lever}"] == "target")
        out.setdefault(key, []).append((row["interactivity_tok_s_user"], row["total_tput_tok_s_gpu"]))
    return out


def pareto(points: list[Point]) -> list[Point]:
    """From the fastest user down, keep what raises throughput."""
    best, kept = 0.0, []
    for x, y in sorted(points, key=lambda p: (-p[0], -p[1])):
        if y > best:
            kept.append((x, y))
            best = y
    return kept[::-1]


def steffen_at(frontier: list[Point], x: float) -> float | None:
    """Steffen's curve at one place, written out from the paper; the peak below the first point; None beyond the last one."""
    if x > frontier[-1][0]:
        return None
    if x <= frontier[0][0]:
        return frontier[0][1]
    n = len(frontier)
    s = [(frontier[i + 1][1] - frontier[i][1]) / (frontier[i + 1][0] - frontier[i][0]) for i in range(n - 1)]
    h = [frontier[i + 1][0] - frontier[i][0] for i in range(n - 1)]

    def slope(i: int) -> float:
        if n == 2:
            return s[0]
        if i == 0:
            return (3 * s[0] - slope(1)) / 2
        if i == n - 1:
            return (3 * s[-1] - slope(n - 2)) / 2
        p = (s[i - 1] * h[i] + s[i] * h[i - 1]) / (h[i - 1] + h[i])
        return (math.copysign(1, s[i - 1]) + math.copysign(1, s[i])) * min(abs(s[i - 1]), abs(s[i]), abs(p) / 2)

    i = max(k for k in range(n - 1) if frontier[k][0] <= x)
    d = x - frontier[i][0]
    a = (slope(i) + slope(i + 1) - 2 * s[i]) / h[i] ** 2
    b = (3 * s[i] - 2 * slope(i) - slope(i + 1)) / h[i]
    return a * d**3 + b * d**2 + slope(i) * d + frontier[i][1]


def value(coalition: frozenset[str], x: float, cells: dict[frozenset[str], list[Point]]) -> float:
    """Throughput of a coalition at one interactivity: the best of the curve of all its points and the curves of its cells."""
    forced = coalition - set(UNLOCKED)
    members = [c for c in cells if forced == c - set(UNLOCKED) and c <= coalition]
    curves = [pareto([p for c in members for p in cells[c]]), *(pareto(cells[c]) for c in members)]
    found = [y for y in (steffen_at(curve, x) for curve in curves) if y is not None]
    return max(found)


def test_the_ratio_at_the_claim(document: dict[str, Any], cells: dict[frozenset[str], list[Point]]) -> None:
    rows = document["shift"]["by_interactivity"]
    row = min(rows, key=lambda r: abs(r["interactivity_tok_s_user"] - 50.0))
    x = row["interactivity_tok_s_user"]
    before, after = value(frozenset(), x, cells), value(frozenset(LEVERS), x, cells)
    assert row["before"] == pytest.approx(before, rel=1e-9)
    assert row["after"] == pytest.approx(after, rel=1e-9)
    assert row["ratio"] == pytest.approx(after / before, rel=1e-9)


def test_every_share_is_the_mean_over_all_orders(document: dict[str, Any], cells: dict[frozenset[str], list[Point]]) -> None:
    low, high = document["domain"]["interactivity_tok_s_user"]
    xs = [low + (high - low) * k / (GRID - 1) for k in range(GRID)]
    game = {}
    for size in range(len(LEVERS) + 1):
        for members in itertools.combinations(LEVERS, size):
            logs = [math.log(value(frozenset(members), x, cells)) for x in xs]
            game[frozenset(members)] = (sum(logs) - (logs[0] + logs[-1]) / 2) / (GRID - 1)  # trapezoid rule
    shares = dict.fromkeys(LEVERS, 0.0)
    orders = list(itertools.permutations(LEVERS))
    for order in orders:
        for position, lever in enumerate(order):
            ahead = frozenset(order[:position])
            shares[lever] += (game[ahead | {lever}] - game[ahead]) / len(orders)
    for share in document["shares"]:
        assert share["log_ratio"] == pytest.approx(shares[share["lever"]], abs=1e-9)
    assert document["total"]["log_ratio"] == pytest.approx(sum(shares.values()), abs=1e-9)


def test_a_published_throughput_from_its_latencies(run: Path) -> None:
    # Little's law: concurrency requests in flight, each lasting E2EL = TTFT + (OSL - 1) * TPOT, complete concurrency / E2EL requests/s, each of
    # ISL + OSL tokens, on `gpus` GPUs; the record's client draws lengths whose mean is 90 % of nominal.
    rows = pd.read_parquet(run / "companion_points.parquet")
    row = rows[rows["total_tput_tok_s_gpu"].notna() & (rows["hardware"] == "h200_sxm")].iloc[0]
    isl, osl = 0.9 * row["isl_tokens"], 0.9 * row["osl_tokens"]
    e2el_s = row["mean_ttft_s"] + (osl - 1) * row["mean_tpot_s"]
    expected = row["concurrency"] / e2el_s * (isl + osl) / row["gpus"]
    assert row["total_tput_tok_s_gpu"] == pytest.approx(expected, rel=1e-6)
    assert row["interactivity_tok_s_user"] == pytest.approx(1 / row["mean_tpot_s"], rel=1e-9)


def test_the_report_prints_these_numbers(run: Path, document: dict[str, Any]) -> None:
    page = (run / "report.html").read_text(encoding="utf-8")
    printed = {float(found) for found in re.findall(r'<data value="([-0-9.e+]+)"', page)}
    for entry in [document["total"], *document["shares"]]:
        assert any(math.isclose(entry["ratio"], number, rel_tol=1e-6) for number in printed), entry
    assert "not measured on hardware" in page
    assert not re.search(r'(?:src|href)="https?://(?!developer\.nvidia\.com)', page)


def test_the_readme_shows_these_numbers(document: dict[str, Any]) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    table = {cells[1].strip(" *").split(" (")[0]: cells[2:4] for cells in (line.split("|") for line in readme.splitlines()) if len(cells) == 5}
    names = {"multi-token prediction": "mtp", **{lever: lever for lever in LEVERS if lever != "mtp"}}
    shares = {share["lever"]: share for share in document["shares"]}
    for name, entry in [*((name, shares[lever]) for name, lever in names.items()), ("whole shift", document["total"])]:
        factor, bounds = (cell.strip(" *") for cell in table[name])
        assert factor == f"{entry['ratio']:.3g}x"
        assert [float(bound) for bound in bounds.split(" to ")] == pytest.approx(entry["ci95"], rel=5e-3)
    same = next(contrast for contrast in document["contrasts"] if contrast["name"] == "total")
    low, high = same["ci95"]
    expected = f"it says {document['companion']['total']['ratio']:.3g}x and the prediction {same['ratio']:.3g}x ({low:.3g} to {high:.3g})"
    assert expected in readme.replace("\n", " ")
    ours, theirs = (found["shift"]["by_interactivity"] for found in (document, document["companion"]))
    value, low, high = (at_the_claim(ours, pick) for pick in (lambda r: r["ratio"], lambda r: r["ci95"][0], lambda r: r["ci95"][1]))
    assert f"predicted {value:.3g}x ({low:.2f} to {high:.3g})" in readme
    assert f"published {at_the_claim(theirs, lambda r: r['ratio']):.3g}x" in readme


def at_the_claim(rows: list[dict[str, Any]], pick: Callable[[dict[str, Any]], float]) -> float:
    """A value at 50 tokens/s/user, log-linear between its neighbours."""
    right = next(i for i, row in enumerate(rows) if row["interactivity_tok_s_user"] >= 50.0)
    (x0, y0), (x1, y1) = ((rows[i]["interactivity_tok_s_user"], math.log(pick(rows[i]))) for i in (right - 1, right))
    return math.exp(y0 + (y1 - y0) * (50.0 - x0) / (x1 - x0))


def test_a_second_run_computes_nothing(run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    command = [sys.executable, "-m", "frontier.cli", "run", "experiment=deepseek_r1_h200_to_gb200", f"paths.artifacts_dir={run.parents[1]}", "--json"]
    done = subprocess.run([*command, "--quiet"], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert json.loads(done.stdout)["reused"] is True
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()} == before
