"""Whole audits on small tables whose answers are known, and one of the shipped claims on the shipped record."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from frontier.claim_schema import ClaimConfig, ReadingConfig, SideConfig
from frontier.claims import Auditor, load_tco
from frontier.claims.breakdown import breakdown, product
from frontier.claims.denominators import Ends
from frontier.claims.finding import Factor, Finding, level, observed
from frontier.claims.judge import answer, value_at
from frontier.claims.predicted import predicted_level, predicted_ratio, run_reading
from frontier.claims.sides import Rows, differences, gather, select
from frontier.claims.verdict import Found
from frontier.cli import main
from frontier.config import conf_dir
from frontier.errors import UsageError
from frontier.records import normalize_points

PLACES = [10.0, 20.0, 40.0, 80.0]


def table(hardware: str, factor: float, **columns: Any) -> pd.DataFrame:
    """A frontier from 800 tokens/s/GPU at 10 tokens/s/user down to 100 at 80, times a factor; four loads, three launches."""
    rows = [
        {
            "evidence": "measured", "model": "M", "hardware": hardware, "engine": "trtllm", "engine_version": "1", "precision": "fp8", "tp": 8,
            "gpus": 8, "concurrency": 640 / x, "isl_tokens": 1024, "osl_tokens": 1024, "replicate": launch, "interactivity_tok_s_user": x,
            "total_tput_tok_s_gpu": factor * 8000 / x * (1 + 0.001 * launch), **columns,
        }
        for x in PLACES
        for launch in (1, 2, 3)
    ]  # fmt: skip
    return normalize_points(pd.DataFrame(rows), origin="test")


READING = ReadingConfig(title="the test", model=["M"], isl_tokens=1024.0, osl_tokens=1024.0)
SIDES = {"baseline": SideConfig(hardware=["h200_sxm"]), "target": SideConfig(hardware=["b200_sxm"])}


def claim(**keys: Any) -> ClaimConfig:
    given: dict[str, Any] = {"title": "t", "statement": "s", "source": "x", "date": "2026-08-01", "readings": {"one": READING}, **SIDES, **keys}
    return ClaimConfig(**given)


@pytest.fixture(scope="module")
def points() -> pd.DataFrame:
    """Hopper, and Blackwell with three times its throughput at every load."""
    return pd.concat([table("h200_sxm", 1.0), table("b200_sxm", 3.0)], ignore_index=True)


@pytest.fixture
def auditor(points: pd.DataFrame, tmp_path: Path) -> Auditor:
    return Auditor(points=[("test", points)], kinds=["points"], artifacts_dir=tmp_path, resamples=200)


@pytest.mark.parametrize(
    ("keys", "state"),
    [
        ({"value": 3.0}, "supported"),
        ({"value": 3.0, "interactivity_tok_s_user": 30.0}, "supported"),
        ({"value": 5.0}, "not_supported"),
        ({"value": 2.0, "direction": "at_least"}, "supported"),
        ({"value": 2.0, "direction": "at_most"}, "not_supported"),
        ({"value": 3.0, "interactivity_tok_s_user": 200.0}, "not_testable"),
        ({"value": 3.0, "interactivity_tok_s_user": 5.0}, "supported"),  # both peaks answer the lower demand
        ({"value": 3.0, "at": "peak"}, "supported"),
        ({"value": 1.0, "at": "reach"}, "supported"),
        ({"value": 1.5, "per": "die"}, "supported"),  # one die before, two after
        ({"value": 3.0, "per": "die"}, "not_supported"),
        ({"value": 3.0 * 1.37 / 1.71, "per": "megawatt"}, "supported"),
        ({"value": 3.0 * 1.22 / 1.73, "per": "usd"}, "supported"),
        ({"value": 3.0, "model": ["N"]}, "not_comparable"),
        ({"value": 3.0, "isl_tokens": 8192.0}, "not_comparable"),
        ({"value": 3.0, "metric": "scale-up FLOPS"}, "not_comparable"),
        ({"value": 3.0, "target": SideConfig(hardware=["gb200"])}, "not_testable"),
        ({"value": 3.0, "quantity": "projection"}, "not_testable"),
        ({}, "not_testable"),  # no number
    ],
)
def test_the_verdict_on_a_threefold_frontier(auditor: Auditor, keys: dict[str, Any], state: str) -> None:
    found = auditor.audit_claim("c", claim(**keys))
    assert found["verdict"]["state"] == state, found["verdict"]["reason"]
    json.dumps(found, allow_nan=False)


def test_ratio_parts_denominators_and_tables_of_a_threefold_frontier(auditor: Auditor) -> None:
    found = auditor.audit_claim("c", claim(value=3.0, per="megawatt", direction="at_least"))
    head = found["headline"]
    assert head["mean"]["value"] == pytest.approx(3.0 * 1.37 / 1.71)
    assert head["mean"]["ci95"][0] < head["mean"]["value"] < head["mean"]["ci95"][1]
    parts = {part["name"]: part["ratio"] for part in found["parts"]["factors"]}
    assert parts == pytest.approx({"package": 2.0, "hardware_per_die": 1.5, "power": 1.37 / 1.71})
    assert found["parts"]["product"] == pytest.approx(head["mean"]["value"])
    assert found["parts"]["hardware_alone"]["value"] == pytest.approx(3.0 * 1.37 / 1.71)
    per = {row["per"]: row["found"]["value"] for row in found["by_denominator"]}
    assert per["gpu"] == pytest.approx(3.0)
    assert per["die"] == pytest.approx(1.5)
    by_table = {row["table"]: row["found"]["value"] for row in found["by_table"]}
    assert by_table["tdp"] == pytest.approx(3.0 * 700 / 1000)
    assert by_table["inferencex_2025_10"] == pytest.approx(3.0 * 1.73 / 2.17)
    further = found["would_have_to_hold"][0]
    assert further["value"] == pytest.approx(3.0 / head["mean"]["value"])


def test_the_table_decides_where_the_claim_is_close(points: pd.DataFrame, tmp_path: Path) -> None:
    # 3 times per GPU is 2.40 per megawatt with the newest table and 2.10 by data sheet.
    states = {}
    for tco in ("inferencex_2026_07_31", "tdp"):
        auditor = Auditor(points=[("test", points)], kinds=["points"], tco=tco, artifacts_dir=tmp_path, resamples=200)
        states[tco] = auditor.audit_claim("c", claim(value=2.4, per="megawatt", direction="at_least", tolerance=0.05))["verdict"]["state"]
    assert states == {"inferencex_2026_07_31": "supported", "tdp": "not_supported"}


def test_readings_together(auditor: Auditor) -> None:
    other = ReadingConfig(title="no such model", model=["Z"], isl_tokens=1024.0, osl_tokens=1024.0)
    same = {"first": other, "second": READING}
    assert auditor.audit_claim("c", claim(value=3.0, readings=same))["headline"]["reading"] == "second"
    low = ReadingConfig(title="half", model=["M"], isl_tokens=1024.0, osl_tokens=1024.0, target=SideConfig(hardware=["h200_sxm"]))
    both = {"half": low, "whole": ReadingConfig(**{**READING.__dict__, "target": SideConfig(hardware=["b200_sxm"])})}
    for value, combine, state in (
        (3.0, "first", "not_supported"),
        (3.0, "any", "supported_in_range"),
        (3.0, "every", "supported_in_range"),
        (5.0, "every", "not_supported"),
        (5.0, "any", "not_supported"),
    ):
        found = auditor.audit_claim("c", claim(value=value, readings=both, combine=combine, target=SideConfig()))
        assert found["verdict"]["state"] == state, (value, combine)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"value": 2400.0, "at": "peak"}, 2400.0),  # 3 x 800 at 10 tokens/s/user
        ({"value": 1200.0, "interactivity_tok_s_user": 20.0}, 1200.0),
        ({"value": 80.0, "per": "user", "at": "reach"}, 80.0),
        ({"value": 1.73 / 3600 / 2400 * 1e6, "per": "usd_per_mtok", "at": "peak", "direction": "at_most"}, 1.73 / 3600 / 2400 * 1e6),
    ],
)
def test_levels(auditor: Auditor, keys: dict[str, Any], expected: float) -> None:
    found = auditor.audit_claim("c", claim(quantity="level", **keys))
    assert found["verdict"]["state"] == "supported"
    assert found["headline"]["at"]["value"] == pytest.approx(expected, rel=0.01)  # launches differ by 0.1 to 0.3 %


def test_a_claim_in_dollars_is_shown_under_every_kind_of_price(auditor: Auditor) -> None:
    found = auditor.audit_claim("c", claim(value=2.0, per="usd"))
    factors = {(row["table"], row["price"]): row["factor"] for row in found["by_table"]}
    assert factors["inferencex_2026_07_31", "hyperscaler"] == pytest.approx(1.22 / 1.73)
    assert factors["inferencex_2026_07_31", "retail"] == pytest.approx(2.05 / 2.6)
    assert [key for key in factors if key[0] == "tdp"] == [("tdp", "hyperscaler")]
    assert factors["tdp", "hyperscaler"] is None
    stated = auditor.audit_claim("c", claim(value=2.0, per="usd", usd_kind="retail"))
    assert [row["price"] for row in stated["by_table"]] == [""] * 5


def test_a_cost_fraction_implies_a_price_ratio(auditor: Auditor) -> None:
    held = auditor.audit_claim("c", claim(value=68.0, cost_fraction=0.13))["would_have_to_hold"]
    implied = {row["what"].split(",")[0]: row["value"] for row in held}
    assert implied["price after over price before"] == pytest.approx(8.84)
    assert held[-1]["value"] == pytest.approx(1.73 / 1.22 * 9)  # a rack of 72 over a node of 8


def test_rows_that_do_not_say_what_the_claim_asks_are_left_out(points: pd.DataFrame) -> None:
    assert len(select(points, SideConfig(hardware=["b200_sxm"]), ["M"], 1024.0, 1024.0, "total")) == 12
    assert select(points, SideConfig(hardware=["b200_sxm"], spec=["mtp"]), ["M"], 1024.0, 1024.0, "total").empty
    assert select(points, SideConfig(hardware=["b200_sxm"], disagg=True), ["M"], None, None, "total").empty
    assert select(points, SideConfig(date_from="2026-01-01"), ["M"], None, None, "total").empty
    assert len(select(points, SideConfig(concurrency=8.0), ["M"], None, None, "total")) == 6


def test_what_the_claim_does_not_state_is_no_difference() -> None:
    assert differences(claim(value=3.0), READING, level=False) == []
    named = claim(value=3.0, baseline=SideConfig(hardware=["h100_sxm", "h200_sxm"], precision=["fp8"]))
    reading = ReadingConfig(**{**READING.__dict__, "baseline": SideConfig(hardware=["h200_sxm"], precision=["fp4"])})
    assert differences(named, reading, level=False) == ["precision of the baseline: the claim says fp8, the evidence has fp4"]
    assert differences(named, reading, level=True) == []


def test_two_workloads_are_compared_when_the_reading_says_so(points: pd.DataFrame) -> None:
    long = table("b200_sxm", 1.5, osl_tokens=8192)
    reading = ReadingConfig(model=["M"], isl_tokens=1024.0, osl_tokens=8192.0, baseline_isl_tokens=1024.0, baseline_osl_tokens=1024.0)
    both = claim(value=2.0, baseline=SideConfig(hardware=["b200_sxm"]))
    rows = gather(pd.concat([points, long], ignore_index=True), "points", "", both, reading, "total")
    assert observed(rows, "total", resamples=200, seed=1).mean.value == pytest.approx(0.5)


def test_what_a_correction_takes_away_is_the_harness_part() -> None:
    before, after = table("b200_sxm", 1.0), table("b200_sxm", 1.2)
    given = Rows("points", "", table("b200_sxm", 0.6), after)  # cold starts halved the older throughput, near enough
    found = observed(Rows("points", "", before, after), "total", resamples=200, seed=1, given=given)
    assert found.mean.value == pytest.approx(1.2)
    assert found.given is not None
    assert found.given.mean.value == pytest.approx(2.0)
    # What the correction may be off, 2.2 % on each side, is in the interval.
    assert found.mean.high / found.mean.value > math.exp(1.96 * 0.022 * math.sqrt(2)) * 0.999
    assert found.factors[0].name == "harness"
    assert found.factors[0].found.value == pytest.approx(2.0 / 1.2)
    assert product(found.factors) == pytest.approx(2.0)
    told = answer(claim(value=2.0), found, load_tco("tdp"))
    assert told.judged.state == "not_supported"
    assert told.given is not None
    assert told.given.judged.state == "supported"


def test_a_level_has_an_interval_from_its_launches(points: pd.DataFrame) -> None:
    rows = Rows("points", "", points.iloc[:0], points[points["hardware"] == "b200_sxm"].reset_index(drop=True))
    found = level(rows, "total", resamples=200, seed=1)
    assert found.peak.low < found.peak.value < found.peak.high
    assert not found.peak.by_margin


def test_between_two_places_the_curve_is_log_linear() -> None:
    curve = [Found(1.0, 0.5, 2.0), Found(4.0, 2.0, 8.0)]
    middle = value_at([10.0, 20.0], curve, 15.0)
    assert (middle.value, middle.low, middle.high) == (pytest.approx(2.0), pytest.approx(1.0), pytest.approx(4.0))
    assert not value_at([10.0, 20.0], curve, 21.0).defined


def test_evidence_that_begins_just_above_the_stated_place_is_taken_there() -> None:
    base = Finding("points", "", ends=Ends(("h200_sxm", "gb200"), ("fp8", "fp4")), places=(20.5, 40.0), first=(20.5, 5.0))
    found = Finding(**{**base.__dict__, "curve": (Found(3.0, 2.9, 3.1), Found(2.0, 1.9, 2.1)), "mean": Found(2.5, 2.4, 2.6)})
    told = answer(claim(value=3.0, interactivity_tok_s_user=20.0), found, load_tco("tdp"))
    assert (told.judged.state, told.at.value) == ("supported", 3.0)
    assert "20.5" in told.where
    assert answer(claim(value=3.0, interactivity_tok_s_user=10.0), found, load_tco("tdp")).judged.state == "not_testable"


def test_the_hardwares_part_is_divided_by_dies_only_where_dies_differ() -> None:
    parts = (Factor("hardware", Found(3.0, 2.0, 4.0)), Factor("precision", Found(1.5)))
    moved = Finding("points", "", ends=Ends(("h200_sxm", "gb200"), ("fp8", "fp4")), factors=parts)
    same = Finding("points", "", ends=Ends(("b200_sxm", "gb200"), ("fp8", "fp4")), factors=parts)
    tco = load_tco("tdp")
    assert [part.name for part in breakdown(claim(per="die"), moved, tco)] == ["package", "hardware_per_die", "precision", "dies"]
    assert product(breakdown(claim(per="die"), moved, tco)) == pytest.approx(3.0 * 1.5 / 2)
    assert [part.name for part in breakdown(claim(), same, tco)] == ["hardware", "precision"]


def test_a_prediction_comes_from_a_run_that_a_second_audit_reads_back(tmp_path: Path) -> None:
    # The fake engine stands in for the predictor: hardware 2.0, precision 1.5, disaggregation 1.25.
    reading = ReadingConfig(title="smoke", experiment="smoke", overrides=["place.workers=1", "sweep.grid_points=9"])
    found = run_reading(reading, tmp_path, "total", 200)
    ratio = predicted_ratio(found)
    assert ratio.mean.value == pytest.approx(3.75, rel=0.05)
    assert ratio.ends == Ends(("h200_sxm", "b200_sxm"), ("bf16", "fp8"))
    parts = {part.name: part.found.value for part in breakdown(claim(value=3.75), ratio, load_tco("tdp"))}
    assert parts["package"] == 2.0
    assert math.prod(parts.values()) == pytest.approx(ratio.mean.value, rel=0.02)
    assert predicted_level(found).peak.value > 0
    runs = sorted((tmp_path / "runs").iterdir())
    again = run_reading(reading, tmp_path, "total", 200)
    assert again.document == found.document
    assert sorted((tmp_path / "runs").iterdir()) == runs
    assert found.rerun.startswith("frontier run experiment=smoke place.workers=1")


def test_unknown_evidence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="evidence must be among points, published, predicted, got guessed"):
        Auditor(kinds=["guessed"], artifacts_dir=tmp_path)


SHIPPED = [
    "co_packaged_optics_12_percent", "gtc_2025_blackwell_25x_per_megawatt", "inferencemax_gpt_oss_1000_per_user", "inferencemax_gpt_oss_60000_tokens",
    "inferencemax_gpt_oss_two_cents", "rubin_900x_hopper",
]  # fmt: skip


def test_shipped_claims_on_the_shipped_record_with_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(conf_dir(), tmp_path / "conf")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["audit", *SHIPPED, "--evidence", "published", "--resamples", "200", "--json"])
    assert left.value.code == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    states = {entry["name"]: entry["verdict"]["state"] for entry in document["claims"]}
    assert states == {
        "co_packaged_optics_12_percent": "not_testable",
        "gtc_2025_blackwell_25x_per_megawatt": "not_supported",
        "inferencemax_gpt_oss_1000_per_user": "not_testable",
        "inferencemax_gpt_oss_60000_tokens": "supported",
        "inferencemax_gpt_oss_two_cents": "supported",
        "rubin_900x_hopper": "not_testable",
    }
    # The count is of input and output tokens: of output alone it is a ninth, and not supported.
    readings = {row["reading"]: row for row in document["claims"][SHIPPED.index("inferencemax_gpt_oss_60000_tokens")]["readings"]}
    whole, output = (readings[f"eight_k_one_k_{kind}"]["at"]["value"] for kind in ("total", "output"))
    assert whole / output == pytest.approx(9.0, rel=0.01)
    assert readings["eight_k_one_k_output"]["verdict"] == "not_supported"
    folders = [path for path in (tmp_path / "artifacts" / "audits").iterdir() if path.name != "evidence"]
    assert len(folders) == 1
    assert str(folders[0]) in err
    assert json.loads((folders[0] / "audit.json").read_text(encoding="utf-8")) == document
    overview = (folders[0] / "overview.html").read_text(encoding="utf-8")
    for name in SHIPPED:
        assert f'href="card-{name}.html"' in overview
        page = (folders[0] / f"card-{name}.html").read_text(encoding="utf-8")
        assert "<script" not in page
        assert "src=" not in page
        assert (folders[0] / "figures" / f"claim-{name}.png").read_bytes().startswith(b"\x89PNG")


def test_every_key_of_the_document_is_documented(auditor: Auditor) -> None:
    text = (conf_dir().parent / "docs" / "claims.md").read_text(encoding="utf-8").split("## frontier.audit/1")[1]
    document = auditor.audit_claim("c", claim(value=3.0, per="megawatt"))
    missing = [key for key in document if f"`{key}`" not in text and f"claims[].{key}" not in text]
    known = ("reading", "holds_tok_s_user", "overlap_tok_s_user", "evidence")
    missing += [key for key in document["headline"] if f"`{key}`" not in text and key not in known]
    assert not missing


def test_the_list_and_a_wrong_claim(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["audit", "--list", "--json"])
    assert left.value.code == 0
    assert {row["claim"] for row in json.loads(capsys.readouterr().out)["claims"]} >= set(SHIPPED)
    with pytest.raises(SystemExit) as wrong:
        main(["audit", "no_such_claim", "--evidence", "published", "--no-pages"])
    assert wrong.value.code == 2
    assert "there is no claim 'no_such_claim'" in capsys.readouterr().err
