"""Throughput at a given interactivity is what the InferenceX dashboard shows, on the public DeepSeek-R1 rows.

The expected numbers come from the definition, written here in plain Python: the points no other point beats on both axes, and through them the
monotone cubic of M. Steffen (Astronomy and Astrophysics 239 (1990) 443-450) with the end slopes of d3's ``curveMonotoneX``.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from frontier.pareto import Frontier

RECORD = Path(__file__).parents[2].parent / "shared" / "data" / "inferencex" / "inferencex_dsr1_until_2026-02-28.csv"
Curve = list[tuple[float, float]]


def curves() -> list[Curve]:
    if not RECORD.exists():
        pytest.skip("the public InferenceX rows are not on this machine")
    found: dict[tuple[str, ...], Curve] = defaultdict(list)
    with RECORD.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            key = tuple(row[c] for c in ("hardware", "framework", "precision", "spec_method", "isl", "osl", "date"))
            found[key].append((float(row["median_intvty"]), float(row["tput_per_gpu"])))
    return list(found.values())


def upper_left(points: Curve) -> Curve:
    return sorted(p for p in set(points) if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in points))


def on_curve(front: Curve, at: float) -> float:
    """d3's curveMonotoneX through a frontier, by its own formulas."""
    n = len(front)
    h = [front[i + 1][0] - front[i][0] for i in range(n - 1)]
    s = [(front[i + 1][1] - front[i][1]) / h[i] for i in range(n - 1)]
    slope = [0.0] * n
    for i in range(1, n - 1):
        p = (s[i - 1] * h[i] + s[i] * h[i - 1]) / (h[i - 1] + h[i])
        sign = (1.0 if s[i - 1] > 0 else -1.0) + (1.0 if s[i] > 0 else -1.0)
        slope[i] = sign * min(abs(s[i - 1]), abs(s[i]), 0.5 * abs(p))
    if n == 2:
        slope = [s[0], s[0]]
    else:
        slope[0] = (3 * s[0] - slope[1]) / 2
        slope[-1] = (3 * s[-1] - slope[-2]) / 2
    i = max(j for j in range(n - 1) if front[j][0] <= at)
    t = (at - front[i][0]) / h[i]
    (x0, y0), (x1, y1) = front[i], front[i + 1]
    third = (x1 - x0) / 3  # d3 draws the piece as a Bezier curve with control points a third of the way along the tangents
    c0, c1 = y0 + slope[i] * third, y1 - slope[i + 1] * third
    return (1 - t) ** 3 * y0 + 3 * (1 - t) ** 2 * t * c0 + 3 * (1 - t) * t**2 * c1 + t**3 * y1


def test_iso_interactivity_values_are_the_dashboards() -> None:
    compared = 0
    for points in curves():
        front = upper_left(points)
        ours = Frontier.of([x for x, _ in points], [y for _, y in points])
        assert list(zip(ours.x.tolist(), ours.y.tolist(), strict=True)) == front
        if len(front) < 2:
            continue
        low, high = front[0][0], front[-1][0]
        for share in (0.0, 0.1, 0.37, 0.5, 0.8, 0.999):
            at = low + share * (high - low)
            assert float(ours.interpolated(at)) == pytest.approx(on_curve(front, at), rel=1e-3), (front, at)
            compared += 1
        assert str(float(ours.interpolated(high * 1.001))) == "nan", "nothing is read beyond the reach"
    assert compared > 1500
