"""The closed-form engine against its own formula, worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from frontier.config import compose
from frontier.engines import get_engine
from frontier.errors import ConfigError, RunError
from frontier.records import Trial, Variant
from frontier.schema import Config

QUIET = ("engine.noise_cv=0.0",)


def variant(cfg: Config, *targets: str) -> Variant:
    levels = {lever: "target" if lever in targets else "baseline" for lever in cfg.lever}
    return Variant(levels, {lever: tuple(getattr(cfg.lever[lever], level)) for lever, level in levels.items()})


def points(cfg: Config, *targets: str, replicate: int = 1):
    return get_engine(cfg).measure(Trial(variant(cfg, *targets), replicate, "d")).points


def test_one_point_by_hand(small: Callable[..., Config]) -> None:
    # Peak total 1000 at ISL = OSL is 500 output tokens/s/GPU; 8 GPUs; t0 = 1/100 s, so room = 500 * 8 * 0.01 = 40 requests.
    # At concurrency 40: TPOT = 0.01 * (1 + 40/40) = 0.02 s, interactivity 50, output = 40 / 0.02 / 8 = 250, total 500 tokens/s/GPU.
    row = points(small(*QUIET, "sweep.concurrencies=[40]")).iloc[0]
    assert row["interactivity_tok_s_user"] == pytest.approx(50.0)
    assert row["output_tput_tok_s_gpu"] == pytest.approx(250.0)
    assert row["total_tput_tok_s_gpu"] == pytest.approx(500.0)
    assert row["evidence"] == "simulated"


def test_effects_multiply_throughput_at_every_interactivity(small: Callable[..., Config]) -> None:
    cfg = small(*QUIET)
    base, both = points(cfg), points(cfg, "hardware", "disaggregation")
    np.testing.assert_allclose(both["interactivity_tok_s_user"], base["interactivity_tok_s_user"], rtol=1e-12)
    np.testing.assert_allclose(both["total_tput_tok_s_gpu"] / base["total_tput_tok_s_gpu"], 2.0 * 1.25, rtol=1e-12)


def test_littles_law_holds(small: Callable[..., Config]) -> None:
    table = points(small("engine.noise_cv=0.1"))
    rate_per_s = table["output_tput_tok_s_gpu"] * table["gpus"] / table["osl_tokens"]
    np.testing.assert_allclose(rate_per_s * table["median_e2el_s"], table["concurrency"], rtol=1e-12)


def test_noise_is_shared_by_a_launch_and_has_its_size(small: Callable[..., Config]) -> None:
    cfg = small("engine.noise_cv=0.1", "sweep.concurrencies=[40]")
    exact = 500.0
    logs = []
    for replicate in range(1, 401):
        row = points(cfg, replicate=replicate).iloc[0]
        # At equal interactivity throughput is proportional to capacity: h (1/t0 - x) / gpus.
        capacity = row["output_tput_tok_s_gpu"] / (1 - row["interactivity_tok_s_user"] / 100.0)
        logs.append(np.log(capacity / exact))
    # Launch 0.1 and point 0.02 together: sqrt(0.1^2 + 0.02^2) = 0.102; 400 draws know it to about 4 %.
    assert np.std(logs) == pytest.approx(0.102, rel=0.12)
    assert np.mean(np.exp(logs)) == pytest.approx(1.0, abs=0.02)


def test_points_depend_on_seed_variant_and_replicate_only(small: Callable[..., Config]) -> None:
    cfg = small()
    assert points(cfg).equals(points(cfg))
    column = "total_tput_tok_s_gpu"
    assert not points(cfg)[column].equals(points(cfg, replicate=2)[column])
    assert not points(cfg)[column].equals(points(small("engine.seed=1"))[column])


def test_failing_cell_is_named_in_any_order(small: Callable[..., Config]) -> None:
    cfg = small("engine.fail_cells=[disaggregation+hardware]")
    points(cfg, "hardware")
    with pytest.raises(RunError, match=r"hardware\+disaggregation.*on purpose"):
        points(cfg, "hardware", "disaggregation")


def test_nvfp4_on_hopper_cannot_exist_here_either() -> None:
    cfg = compose("deepseek_r1_h200_to_gb200", ["engine=fake"])
    assert get_engine(cfg).infeasible(variant(cfg, "precision")) == "nvfp4 needs blackwell, h200_sxm is hopper"
    assert get_engine(cfg).infeasible(variant(cfg, "precision", "hardware")) == ""


def test_an_unknown_engine_lists_those_there_are(small: Callable[..., Config]) -> None:
    cfg = small()
    with pytest.raises(ConfigError, match="fake, predicted, published"):
        get_engine(cfg, "companion")
