"""The document, the fingerprint and the comparison of two calibrations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from calibration_rates import make_calibration, rate

from frontier.calibration import Calibration, compare, keep, kept, open_machine, read_calibration
from frontier.calibration import machine as machine_module
from frontier.errors import RunError


def test_round_trip(tmp_path: Path) -> None:
    calibration = make_calibration()
    file = keep(calibration, tmp_path)
    assert read_calibration(file) == calibration
    assert kept(tmp_path) == [file]
    assert json.loads(file.read_text())["schema"] == "frontier.calibration/1"


def test_another_document_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"schema": "frontier.plan/1"}', encoding="utf-8")
    with pytest.raises(RunError, match=r"got 'frontier\.plan/1'"):
        read_calibration(tmp_path / "x.json")
    (tmp_path / "y.json").write_text('{"schema": "frontier.calibration/1", "machine": {}, "conditions": {}, "absent": {}, "measurements": [{}]}')
    with pytest.raises(RunError, match="incomplete"):
        read_calibration(tmp_path / "y.json")
    with pytest.raises(RunError, match=r"z\.json cannot be read"):
        read_calibration(tmp_path / "z.json")


def test_fingerprint_is_of_the_machine_and_not_of_its_mood() -> None:
    first = make_calibration()
    second = make_calibration(*(replace(one, median=one.median / 2) for one in first.measurements), machine={"kernel": "Linux 7"}, busy_cores=1.0)
    other = make_calibration(machine={"cores": 4})
    assert first.fingerprint()["machine"] == second.fingerprint()["machine"] != other.fingerprint()["machine"]
    assert first.fingerprint()["speeds"] != second.fingerprint()["speeds"]


def test_compare_same_like_and_other() -> None:
    calibration = make_calibration()
    assert [one.kind for one in compare(calibration, calibration)] == ["same_machine"]
    like = compare(calibration, make_calibration(machine={"torch": "3.0"}))
    assert [(one.what, one.kind) for one in like] == [("machine", "like_machine"), ("torch", "fact")]
    other = compare(calibration, make_calibration(machine={"gpus": [{"name": "GPU", "memory_gib": 80.0}]}))
    assert other[0].kind == "other_machine"
    assert str(other[1]) == "gpus: none before, GPU 80.0 now"


def test_slower_needs_both_spread_and_margin() -> None:
    # Quartiles are 0.7 and 0.9 of the best, the median 0.8: at 0.77 of the rate the ranges (0.7 to 0.9; 0.539 to 0.693) are apart, at 0.8 they meet.
    def with_rate(best: float) -> Calibration:
        return make_calibration(rate("memory", "read", 1, best, size_bytes=1000))

    assert [one.kind for one in compare(with_rate(100.0), with_rate(80.0))] == ["same_machine"]
    (_, slower) = compare(with_rate(100.0), with_rate(77.0))
    assert (slower.kind, slower.ratio) == ("slower", pytest.approx(0.77))
    assert "slower by a factor of 1.30" in str(slower)
    (_, faster) = compare(with_rate(77.0), with_rate(100.0))
    assert faster.kind == "faster"
    # Without any spread a change of 4 % is still none.
    still, moved = (make_calibration(replace(rate("memory", "read", 1, 1.0, size_bytes=1), median=m, q1=m, q3=m)) for m in (1.0, 1.04))
    assert [one.kind for one in compare(still, moved)] == ["same_machine"]


def test_what_one_side_lacks_is_named_unless_one_was_quick() -> None:
    whole, part = make_calibration(), make_calibration(*make_calibration().measurements[:-1])
    assert [(one.kind, one.what) for one in compare(whole, part)[1:]] == [("only_before", "matmul int8 1000x1000x1000 cpu x2")]
    assert [one.kind for one in compare(part, whole)[1:]] == ["only_after"]
    assert compare(whole, replace(part, conditions={**part.conditions, "quick": True}))[1:] == []


def test_notes_say_when_the_rates_are_too_low() -> None:
    assert make_calibration().notes() == []
    assert "1.5 of 2 cores" in make_calibration(busy_cores=1.5).notes()[0]
    assert "quick" in make_calibration(quick=True).notes()[0]


def test_a_machine_is_compared_with_the_one_kept_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = keep(make_calibration(), tmp_path)
    monkeypatch.setattr(machine_module, "calibrate", lambda quick: make_calibration(machine={"torch": "3.0"}))
    machine = open_machine(tmp_path)
    assert len(kept(tmp_path)) == 2
    assert machine.since_before()[0] == "A like machine."
    assert not any("other work" in line for line in machine.since_before())
    keep(make_calibration(busy_cores=1.0), tmp_path)
    assert any("Other work ran" in line for line in open_machine(tmp_path).since_before())
    again = open_machine(tmp_path, first.stem)
    assert again.calibration == make_calibration()
    assert again.since_before() == ("No earlier calibration is kept here: the next one will be compared with this one.",)
    with pytest.raises(RunError, match="no calibration is named 'x'"):
        open_machine(tmp_path, "x")


def test_bounds_of_a_model_that_does_not_fit_say_so(tmp_path: Path) -> None:
    keep(make_calibration(), tmp_path)
    machine = open_machine(tmp_path, kept(tmp_path)[0].stem)
    bounds = machine.bounds(machine.shapes("meta-llama/Meta-Llama-3.1-70B"), isl_tokens=128, osl_tokens=64)
    assert set(bounds.curves) == {"reference decoder, bf16", "reference decoder, int8"}
    assert list(bounds.table().index) == list(bounds.curves)
    assert "Llama-3.1-70B in bf16 needs 141.2 GB" in bounds.absent()[0]
    assert machine.shapes("nobody/knows") == machine.shapes("meta-llama/Meta-Llama-3.1-70B")[1:]


def test_the_newest_checkpoint_of_a_name_gives_the_shape(tmp_path: Path) -> None:
    keep(make_calibration(), tmp_path)
    machine = open_machine(tmp_path, kept(tmp_path)[0].stem)
    folder = tmp_path / "cache" / "checkpoints" / "small-0123"
    folder.mkdir(parents=True)
    config = {"model_type": "llama", "num_hidden_layers": 3, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 4, "vocab_size": 9}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert [shape.layers for shape in machine.shapes("x", "small", tmp_path / "cache")] == [3, 8]
    (folder / "config.json").write_text(json.dumps({**config, "num_experts": 2}), encoding="utf-8")
    assert [shape.layers for shape in machine.shapes("x", "small", tmp_path / "cache")] == [8]
