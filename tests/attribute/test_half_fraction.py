"""Attribution of a half fraction against that of the full design, on closed-form points."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from frontier import cli
from frontier.attribute import LeverSpec, attribute
from frontier.errors import PointsError, UsageError
from frontier.records import normalize_points, write_points

GAINS = {"a": 1.5, "b": 2.0, "c": 1.1, "d": 0.8}
BATCHES = np.array([1, 4, 16, 64.0])


def table(
    gains: Mapping[str, float], together: Mapping[str, float] | None = None, *, launches: int = 1, noise: float = 0.0, bent: float = 0.0
) -> pd.DataFrame:
    """All cells; levers multiply throughput, ``together`` ("ab": 1.2) more where all of its levers are at target; ``bent`` tilts lever a's gain."""
    rng = np.random.default_rng(3)
    rows = []
    for levels in itertools.product((False, True), repeat=len(gains)):
        on = dict(zip(gains, levels, strict=True))
        gain = float(np.prod([factor for name, factor in gains.items() if on[name]]))
        gain *= float(np.prod([factor for names, factor in (together or {}).items() if all(on[name] for name in names)]))
        for launch in range(launches):
            factor = gain * np.exp(rng.normal(0, noise))
            for batch in BATCHES:
                x = 120.0 / (1 + batch / 16)
                y = factor * batch * x / 8 * (np.exp(bent * x / 120) if on["a"] else 1.0)
                rows.append(
                    {
                        "evidence": "simulated", "concurrency": batch, "replicate": launch, "interactivity_tok_s_user": x, "total_tput_tok_s_gpu": y,
                        **{name: "new" if level else "old" for name, level in on.items()},
                    }
                )  # fmt: skip
    return normalize_points(pd.DataFrame(rows), origin="test")


def half(points: pd.DataFrame, names: Any) -> pd.DataFrame:
    """The rows of the half fraction, and of the full target."""
    on = sum((points[name] == "new").astype(int) for name in names)
    return points[(on % 2 == 0) | (on == len(list(names)))]


def specs(names: Any, mode: str = "forced") -> list[LeverSpec]:
    return [LeverSpec(name, name, ("old",), ("new",), mode) for name in names]


def shares(document: dict[str, Any]) -> dict[str, float]:
    return {share["lever"]: share["log_ratio"] for share in document["shares"]}


@pytest.mark.parametrize("names", ["abcd", "abcde"])
def test_pairs_only_the_half_gives_the_shares_of_the_whole_design(names: str) -> None:
    gains = {**GAINS, "e": 1.3} if "e" in names else GAINS
    points = table(gains, {"ab": 1.2, "cd": 0.9, "ad": 1.1}, bent=0.4)
    whole, found = attribute(points, specs(names)), attribute(half(points, names), specs(names))
    assert (whole["method"], found["method"]) == ("shapley", "half_fraction")
    assert shares(found) == pytest.approx(shares(whole), abs=1e-9)
    assert found["total"]["log_ratio"] == pytest.approx(whole["total"]["log_ratio"])
    assert sum(shares(found).values()) == pytest.approx(found["total"]["log_ratio"])
    assert found["shift"]["ratio"] == whole["shift"]["ratio"]
    for ours, theirs in zip(found["by_interactivity"], whole["by_interactivity"], strict=True):
        assert ours["shares"] == pytest.approx(theirs["shares"], abs=1e-9)
    assert found["fraction"]["remainder"]["log_ratio"] == pytest.approx(0, abs=1e-9)


def test_pairs_are_sums_of_two_and_named_so() -> None:
    points = table(GAINS, {"ab": 1.2, "cd": 0.9, "ad": 1.1})
    found = attribute(half(points, GAINS), specs(GAINS))
    assert found["interactions"] == []  # nothing that could be read as one pair alone
    sums = {("".join(row["levers"]), "".join(row["aliased_with"])): row["log_ratio"] for row in found["fraction"]["interactions"]}
    assert sums == pytest.approx({("ab", "cd"): np.log(1.2 * 0.9), ("ac", "bd"): 0.0, ("ad", "bc"): np.log(1.1)}, abs=1e-9)
    assert any("a:b with c:d" in note for note in found["notes"])


def test_a_three_way_interaction_goes_to_the_aliased_lever() -> None:
    # log 1.3 where a, b and c are at target: in -1/+1 coding an eighth of it on x_a x_b x_c, so a quarter is added to the main effect of d;
    # its parts on pairs and on single levers are seen by half and whole alike.
    points = table(GAINS, {"abc": 1.3})
    whole, found = shares(attribute(points, specs(GAINS))), shares(attribute(half(points, GAINS), specs(GAINS)))
    assert found["d"] - np.log(0.8) == pytest.approx(np.log(1.3) / 4)
    assert whole["d"] == pytest.approx(np.log(0.8))
    assert found["a"] - whole["a"] == pytest.approx(-np.log(1.3) / 12)  # a third of log 1.3 in the whole, a quarter in the half
    assert sum(found.values()) == pytest.approx(sum(whole.values()))


def test_three_levers_say_so_loudly_and_leave_a_remainder() -> None:
    gains = {"a": 1.5, "b": 2.0, "c": 1.1}
    points = table(gains, {"ab": 1.2})
    found = attribute(half(points, gains), specs(gains))
    # c is aliased with minus the interaction of a and b; half of it is shifted into c's share, and as much is left over.
    assert shares(found) == pytest.approx({"a": np.log(1.5 * 1.2**0.5), "b": np.log(2 * 1.2**0.5), "c": np.log(1.1) - np.log(1.2) / 2})
    assert found["fraction"]["remainder"]["log_ratio"] == pytest.approx(np.log(1.2) / 2)
    assert any(note.startswith("WARNING, resolution III") for note in found["notes"])
    assert any("Remainder that no lever can be given: 1.1x" in note for note in found["notes"])
    # The full target is run, so leaving one lever out compares two cells there are.
    assert found["leave_one_out"][0]["log_ratio"] == pytest.approx(np.log(1.5 * 1.2))


def test_ladder_and_leave_one_out_are_null_with_the_reason() -> None:
    found = attribute(half(table(GAINS), GAINS), specs(GAINS))
    for row in [*found["ladder"], *found["leave_one_out"]]:
        assert (row["log_ratio"], row["ratio"], row["ci95"]) == (None, None, None)
        assert row["reason"].startswith("not identifiable")
    assert [step["step"] for step in found["steps"]] == ["baseline", "+a+b", "+c+d"]
    assert {cell["status"] for cell in found["cells"]} == {"done", "not_run"}


def test_intervals_come_from_launches_and_cover_the_truth() -> None:
    found = attribute(half(table(GAINS, launches=4, noise=0.02), GAINS), specs(GAINS), resamples=500)
    assert "server launches" in found["interval"]["method"]
    for share in found["shares"]:
        low, high = share["ci95"]
        assert low < GAINS[share["lever"]] < high
        assert high / low < 1.1
    assert found["fraction"]["interactions"][0]["ci95_log_ratio"] is not None


@pytest.mark.parametrize("lost", ["ab", "cd"])
def test_a_lost_cell_leaves_the_whole_and_nothing_else(lost: str) -> None:
    points = half(table(GAINS, launches=3, noise=0.01), GAINS)
    gone = np.logical_and.reduce([(points[name] == "new") == (name in lost) for name in GAINS])
    with pytest.raises(PointsError, match="--missing fraction"):
        attribute(points[~gone], specs(GAINS))
    found = attribute(points[~gone], specs(GAINS), missing="fraction", resamples=200)
    assert found["total"]["ratio"] == pytest.approx(1.5 * 2.0 * 1.1 * 0.8, rel=0.03)
    assert found["total"]["ci95"] is not None
    for share in found["shares"]:
        assert (share["log_ratio"], share["ci95"], share["fraction"]) == (None, None, None)
        assert f"1 of the 8 cells of the half fraction have no points ({'+'.join(lost)})" in share["reason"]
    assert found["fraction"]["not_identifiable"] != ""
    assert all(row["log_ratio"] is None for row in found["fraction"]["interactions"])
    assert any(lost[0] + "+" + lost[1] in note for note in found["notes"])
    json.dumps(found, allow_nan=False)


def test_a_lost_target_is_not_guessed() -> None:
    gains = {"a": 1.5, "b": 2.0, "c": 1.1}
    points = half(table(gains), gains)
    found = attribute(points[(points[list(gains)] != "new").any(axis=1)], specs(gains), missing="fraction")
    # The effects are contrasts of cells that are there; the whole, what is left of it, and what needs the target are not known.
    assert shares(found) == pytest.approx({name: np.log(gain) for name, gain in gains.items()})
    assert (found["total"]["ratio"], found["fraction"]["remainder"]["ratio"]) == (None, None)
    assert all(row["log_ratio"] is None for row in found["leave_one_out"])
    assert "a+b+c" in next(note for note in found["notes"] if note.startswith("The target cell has no points"))


def test_other_gaps_are_not_taken_for_a_half() -> None:
    points = half(table(GAINS), GAINS)
    with pytest.raises(PointsError, match="8 of 16 cells"):
        attribute(points, specs(GAINS, "unlocked"))
    with pytest.raises(UsageError, match="a half fraction lacks the cells that unlocked levers choose from"):
        attribute(points, specs(GAINS, "unlocked"), missing="fraction")


def test_the_command_recognises_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "half.csv"
    write_points(half(table(GAINS, {"ab": 1.2}), GAINS), file)
    with pytest.raises(SystemExit) as ended:
        cli.main(["attribute", str(file), "--levers", "a,b,c,d", "--baseline", "a=old,b=old,c=old,d=old"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "main effects of a half fraction" in out
    assert "a:b + c:d  1.2x" in out
    assert "resolution IV, I = a:b:c:d" in out
