"""Change points: known steps are found, noise makes none more often than said, one bad night is no step."""

from __future__ import annotations

import numpy as np
import pytest

from frontier.timeline.steps import find_steps, saving

SD = 0.01


def levels(values: list[float]) -> np.ndarray:
    return np.column_stack([values, values, np.zeros(len(values))])


def null(dates: int, rng: np.random.Generator, draws: int = 400) -> np.ndarray:
    return rng.normal(0.0, SD, (draws, dates, 2))


def test_saving_by_hand() -> None:
    # (0, 0, 3): splitting off the last saves all 6, after the first only 0.5 * ... = 1.5 of them.
    assert saving(np.array([[0.0], [0.0], [3.0]])) == pytest.approx([1.5, 6.0])


def test_saving_is_what_segment_means_leave(rng: np.random.Generator) -> None:
    signal = rng.normal(size=(9, 2))

    def squares(part: np.ndarray) -> float:
        return float(((part - part.mean(axis=0)) ** 2).sum())

    slow = [squares(signal) - squares(signal[:t]) - squares(signal[t:]) for t in range(1, 9)]
    assert saving(signal) == pytest.approx(slow)


def test_a_step_at_every_place_is_found_there(rng: np.random.Generator) -> None:
    for place in range(1, 8):
        values = [0.0] * place + [0.1] * (8 - place)
        assert find_steps(levels(values), null(8, rng)).breaks == (place,)


def test_noise_makes_a_step_about_as_rarely_as_asked(rng: np.random.Generator) -> None:
    errors = null(8, rng)
    false = sum(bool(find_steps(np.column_stack([rng.normal(0.0, SD, (8, 2)), np.zeros(8)]), errors, 0.05).breaks) for _ in range(400))
    assert 2 <= false <= 44  # 20 expected of 400; PELT may split twice where one split would not pay


def test_one_bad_night_is_an_excursion(rng: np.random.Generator) -> None:
    found = find_steps(levels([0.0, 0.0, 0.0, -0.2, 0.0, 0.0]), null(6, rng))
    assert found.breaks == ()
    assert found.excursions == (3,)


def test_a_night_between_two_different_levels_is_none(rng: np.random.Generator) -> None:
    found = find_steps(levels([0.0, 0.0, 0.0, 0.2, 0.4, 0.4]), null(6, rng))
    assert found.breaks == (3, 4)
    assert found.excursions == ()


def test_what_new_settings_added_is_a_signal_of_its_own(rng: np.random.Generator) -> None:
    values = levels([0.0] * 6)
    values[4:, 2] = 0.3
    assert find_steps(values, null(6, rng)).breaks == (4,)


def test_heavy_tails_raise_the_penalty(rng: np.random.Generator) -> None:
    values = levels([0.0, 0.0, 0.0, 0.045, 0.045, 0.045])
    heavy = SD * rng.standard_t(2.0, (400, 6, 2))
    assert find_steps(values, null(6, rng)).breaks == (3,)
    assert find_steps(values, heavy).breaks == ()


def test_the_spread_is_that_of_one_date(rng: np.random.Generator) -> None:
    assert find_steps(levels([0.0] * 6), null(6, rng)).sd == pytest.approx(SD, rel=0.1)
