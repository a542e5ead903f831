"""Points without replicates get the record's noise; predicted, simulated and repeated ones do not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from frontier.evidence.noise import draw_errors
from frontier.evidence.record_noise import RecordNoise
from frontier.records import normalize_points
from frontier.snapshots import Snapshot


def table(**columns: object) -> pd.DataFrame:
    made = {
        "evidence": "published", "hardware": "b200_sxm", "engine": "trtllm", "image": "v1", "concurrency": [4.0, 16.0, 64.0],
        "interactivity_tok_s_user": [200.0, 100.0, 50.0], "total_tput_tok_s_gpu": [1000.0, 2000.0, 3000.0], **columns,
    }  # fmt: skip
    return normalize_points(pd.DataFrame(made), origin="made up")


def sides(before: pd.DataFrame, after: pd.DataFrame) -> tuple[dict[tuple[int, str], Snapshot], pd.DataFrame]:
    frame = pd.concat([before, after], ignore_index=True)
    places = [np.arange(len(before)), np.arange(len(before), len(frame))]
    return {(side, "software"): Snapshot.of(frame.iloc[at], "total", at) for side, at in enumerate(places)}, frame


@pytest.mark.parametrize("evidence", ["published", "measured"])
def test_measured_once_somewhere(evidence: str) -> None:
    snapshots, frame = sides(table(evidence=evidence), table(evidence=evidence, image="v2"))
    drawn = draw_errors(snapshots, frame, 4000, 1, None)
    assert drawn.draws is not None
    assert drawn.method.startswith("percentiles of 4000 draws of the noise model of the public record: no configuration was launched twice here")
    model = RecordNoise.shipped()
    x, y = drawn.draws[0, "software"]
    assert x.shape == (4000, 3)
    assert x.std() == pytest.approx(model.widening * model.scale("b200_sxm", "trtllm"), rel=0.1)
    # Before and after are independent runs.
    other, _ = drawn.draws[1, "software"]
    assert abs(np.corrcoef(np.sign(x[:, 0]), np.sign(other[:, 0]))[0, 1]) < 0.06
    assert np.corrcoef(x[:, 0], y[:, 0])[0, 1] > 0.9


def test_the_given_model_is_used_and_the_seed_decides() -> None:
    snapshots, frame = sides(table(), table())
    one, two = (draw_errors(snapshots, frame, 200, seed, None).draws for seed in (1, 1))
    assert one is not None
    assert two is not None
    assert np.array_equal(one[0, "software"][0], two[0, "software"][0])
    wide = RecordNoise(RecordNoise.shipped().speed, RecordNoise.shipped().own, 0.0, widening=10.0)
    drawn = draw_errors(snapshots, frame, 2000, 1, None, wide).draws
    assert drawn is not None
    assert drawn[0, "software"][0].std() > 4 * one[0, "software"][0].std()


def test_unknown_hardware_is_said() -> None:
    snapshots, frame = sides(table(hardware="rubin"), table(hardware="rubin"))
    method = draw_errors(snapshots, frame, 200, 1, None).method
    assert method.endswith("(none of rubin/trtllm: the wider spread over all its groups)")


@pytest.mark.parametrize("evidence", ["simulated", None])
def test_what_nobody_measured_gets_no_interval(evidence: str | None) -> None:
    snapshots, frame = sides(table(evidence=evidence), table(evidence=evidence))
    drawn = draw_errors(snapshots, frame, 200, 1, None)
    assert drawn.draws is None
    assert drawn.method == "no interval: no configuration was launched twice"


def test_own_replicates_come_first() -> None:
    twice = pd.concat([table(replicate=0), table(replicate=1)], ignore_index=True)
    snapshots, frame = sides(twice, twice)
    assert "resamples of server launches" in draw_errors(snapshots, frame, 200, 1, None).method


def test_configurations_far_below_the_frontier_are_not_drawn() -> None:
    low = table(tp=[8, 8, 4], total_tput_tok_s_gpu=[1000.0, 2000.0, 100.0], interactivity_tok_s_user=[200.0, 100.0, 20.0])
    snapshots, frame = sides(low, table())
    drawn = draw_errors(snapshots, frame, 200, 1, None)
    assert drawn.draws is not None
    assert len(drawn.snapshots[0, "software"].rows) == 2
    assert drawn.draws[0, "software"][0].shape == (200, 2)
    x, y = drawn.values((0, "software"))
    assert np.median(x, axis=0) == pytest.approx([200.0, 100.0], rel=0.01)
    assert np.median(y, axis=0) == pytest.approx([1000.0, 2000.0], rel=0.01)
