"""A run's points under the rules of MLPerf Endpoints' draft."""

from __future__ import annotations

import pandas as pd
import pytest

from frontier import config
from frontier.records import normalize_points
from frontier.rulebook import deviation_notes, endpoints_document

CFG = config.compose("pocket_cpu_quick", ["sweep=mlperf_endpoints"])


def _points(variant: str, window_s: float, flags: str | None = None, concurrencies: tuple[int, ...] = (1, 3, 7, 17, 41, 102, 256)) -> pd.DataFrame:
    rows = [
        {
            "evidence": "measured", "variant": variant, "replicate": 1, "concurrency": float(c), "interactivity_tok_s_user": 100.0 / c,
            "total_tput_tok_s_gpu": 100.0, "p90_tpot_s": c / 50.0, "p90_ttft_s": 0.1, "window_s": window_s, "requests": 50.0, "spec": "none",
            "draft_len": 0, "flags": flags,
        }
        for c in concurrencies
    ]  # fmt: skip
    return normalize_points(pd.DataFrame(rows), origin="test")


def test_the_curve_is_read_at_the_ninetieth_percentile() -> None:
    document = endpoints_document(_points("baseline", 1200.0), CFG)
    (entry,) = document["variants"]
    # 1 / (c / 50): 50 tokens/s/user at concurrency 1, where the median says 100.
    assert entry["curve"][0] == {"concurrency": 1, "interactivity_p90_tok_s_user": 50.0, "p90_ttft_s": 0.1, "total_tput_tok_s_gpu": 100.0}


def test_short_windows_are_listed_and_long_ones_are_not() -> None:
    def rules(window_s: float, flags: str | None = None) -> set[str]:
        return {one["rule"] for one in endpoints_document(_points("baseline", window_s, flags), CFG)["variants"][0]["deviations"]}

    assert "steady state at concurrency 256 (6.2)" in rules(600.0)
    assert "steady state at concurrency 256 (6.2)" not in rules(1200.0)
    assert "steady state at concurrency 256 (6.2)" in rules(1200.0, "not_steady")
    assert "reference client (2.1.1)" in rules(1200.0)


def test_notes_name_the_variants_only_where_they_differ() -> None:
    both = pd.concat([_points("baseline", 1200.0), _points("mtp", 600.0)], ignore_index=True)
    notes = deviation_notes(endpoints_document(both, CFG))
    assert any(note.startswith("MLPerf Endpoints' draft, reference client") and "(mtp)" not in note for note in notes)
    assert any("steady state at concurrency 256" in note and note.endswith("(mtp).") for note in notes)
    assert len(notes) == len(set(notes))


@pytest.mark.parametrize("concurrencies", [(1, 2), (64, 128)])
def test_a_curve_that_leaves_regions_out_says_so(concurrencies: tuple[int, ...]) -> None:
    document = endpoints_document(_points("baseline", 1200.0, concurrencies=concurrencies), CFG)
    rules = {one["rule"] for one in document["variants"][0]["deviations"]}
    assert "least points (5.3)" in rules
