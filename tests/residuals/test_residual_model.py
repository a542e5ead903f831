"""Draws of the prediction error: sign, sharing between keys, pools, spread."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from frontier.errors import ConfigError
from frontier.evidence.residuals import ResidualKey, ResidualModel, leave_one_model_out

KEY = ResidualKey("b200_sxm", "fp8", "agg")


def curves(values: dict[tuple[str, str, str, str], list[float]]) -> pd.DataFrame:
    """Curves with equal residuals of both metrics, by (model, system, precision, mode)."""
    rows = [
        {"model": model, "system": system, "precision": precision, "mode": mode, "log_interactivity": value, "log_tput": 2 * value}
        for (model, system, precision, mode), found in values.items()
        for value in found
    ]
    return pd.DataFrame(rows)


def constant(value: float) -> pd.DataFrame:
    return curves({("a", *_group(KEY)): [value] * 3, ("b", *_group(KEY)): [value] * 3})


def _group(key: ResidualKey) -> tuple[str, str, str]:
    return key.system, key.precision, key.mode


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_a_number_times_exp_draw_is_the_truth() -> None:
    # All predictions 20 % too high in interactivity: log(predicted / measured) = log 1.2, so the truth is predicted / 1.2.
    x, y = ResidualModel(constant(np.log(1.2))).draw([KEY], 5, rng())
    assert x.shape == y.shape == (5, 1)
    assert np.allclose(120.0 * np.exp(x), 100.0)
    assert np.allclose(144.0 * np.exp(y), 100.0)


def test_keys_of_one_group_share_the_models_part_and_other_groups_do_not() -> None:
    other = ResidualKey("b200_sxm", "fp4", "agg")
    found = {(m, *_group(k)): [v, v, v] for k in (KEY, other) for m, v in (("a", 0.1), ("b", -0.2), ("c", 0.4))}
    x, _ = ResidualModel(curves(found)).draw([KEY, KEY, other], 2000, rng())
    # No spread between curves of a model: keys of a group get the same draw.
    assert np.allclose(x[:, 0], x[:, 1])
    assert abs(np.corrcoef(x[:, 0], x[:, 2])[0, 1]) < 0.1


def test_each_key_has_a_part_of_its_own() -> None:
    found = {(m, *_group(KEY)): [-0.1, 0.0, 0.1] for m in ("a", "b")}
    x, y = ResidualModel(curves(found)).draw([KEY, KEY], 4000, rng())
    assert abs(np.corrcoef(x[:, 0], x[:, 1])[0, 1]) < 0.1
    # Both metrics come from the same curve.
    assert np.allclose(y, 2 * x)
    assert x[:, 0].std() == pytest.approx(np.sqrt(0.02 / 3), rel=0.05)


def test_the_spread_between_models_is_that_of_a_further_model() -> None:
    means = [0.0, 0.1, 0.3]
    found = {(name, *_group(KEY)): [mean, mean] for name, mean in zip("abc", means, strict=True)}
    x, _ = ResidualModel(curves(found)).draw([KEY], 200_000, rng())
    # Sample variance of the means times (1 + 1/k), around minus their mean.
    assert x.mean() == pytest.approx(-np.mean(means), abs=2e-3)
    assert x.var() == pytest.approx(np.var(means, ddof=1) * (1 + 1 / 3), rel=0.02)


def test_a_small_group_borrows_from_the_next_pool() -> None:
    many = {("a", "b200_sxm", "fp4", "agg"): [0.1] * 4, ("b", "b200_sxm", "fp4", "agg"): [0.1] * 4}
    far = {("a", "gb200", "fp8", "disagg"): [0.5] * 3, ("b", "gb200", "fp8", "disagg"): [0.5] * 3}
    model = ResidualModel(curves({**many, **far, ("a", *_group(KEY)): [0.9]}))
    assert model.pool(ResidualKey("b200_sxm", "fp4", "agg")).name == "system+precision+mode"
    assert model.pool(KEY).name == "system+mode"
    assert model.pool(ResidualKey("h100_sxm", "fp8", "agg")).name == "mode"
    assert len(model.pool(ResidualKey("h100_sxm", "fp8", "agg")).curves) == 9


def test_many_curves_of_one_model_are_not_enough() -> None:
    found = {("a", *_group(KEY)): [0.1] * 20, ("b", "h200_sxm", "fp8", "agg"): [0.3]}
    pool = ResidualModel(curves(found)).pool(KEY)
    assert pool.name == "mode"
    assert pool.means[:, 0].tolist() == pytest.approx([0.1, 0.3])


def test_no_pool_at_all_is_an_error() -> None:
    with pytest.raises(ConfigError, match="at least 5 curves of 2 models, got 1"):
        ResidualModel(curves({("a", *_group(KEY)): [0.1]})).draw([KEY], 3, rng())


def test_the_same_seed_gives_the_same_draws() -> None:
    model = ResidualModel()
    assert np.array_equal(model.draw([KEY], 50, rng())[0], model.draw([KEY], 50, rng())[0])
    assert not np.array_equal(model.draw([KEY], 50, rng())[0], model.draw([KEY], 50, np.random.default_rng(8))[0])


@pytest.mark.parametrize(("field", "value"), [("mode", "aggregated"), ("backend", "vllm")])
def test_an_unknown_mode_or_backend_is_refused(field: str, value: str) -> None:
    arguments = {"system": "gb200", "precision": "fp8", "mode": "agg", field: value}
    with pytest.raises(ConfigError, match=value):
        ResidualKey(**arguments)


def test_no_resamples_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        ResidualModel().draw([KEY], 0, rng())


def test_leaving_a_model_out_uses_the_others_only() -> None:
    # Model c is far off; the intervals from a and b cannot know.
    found = {(name, *_group(KEY)): [value] * 5 for name, value in (("a", 0.0), ("b", 0.1), ("c", 5.0))}
    table = leave_one_model_out(curves(found), resamples=500).set_index("model")
    assert not table.loc["c", "log_tput_covered"]
    assert table.loc["a", "log_tput_covered"]
    assert table.loc["c", "log_tput_curves_covered"] == 0.0
