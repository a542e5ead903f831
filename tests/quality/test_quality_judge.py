"""The gate's verdict: ratios and shares by hand, intervals against simulation, the baseline's own repeatability."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frontier.errors import RunError
from frontier.integrity import accuracy_gate
from frontier.quality import Gate, JudgedVariant, Quality, Score, judge, quality_columns, quality_document
from frontier.quality.texts import token_digest
from frontier.records import BELOW_GATE, below_gate, normalize_points, usable

GATE = Gate(max_perplexity_increase=0.02, min_greedy_agreement=0.9, documents=4, prompt_tokens=11, output_tokens=10)
OUTPUTS = tuple(tuple(range(10 * i, 10 * i + 10)) for i in range(4))


def quality(nll: tuple[float, ...] = (20.0, 25.0, 30.0, 25.0), outputs: tuple[tuple[int, ...], ...] = OUTPUTS, forced: int = 10) -> Quality:
    return Quality("same", nll, (10,) * len(nll), outputs, token_digest(OUTPUTS), (forced,) * len(nll))


def differing_from(place: int) -> tuple[tuple[int, ...], ...]:
    """The baseline's outputs, the first of them another from a place on."""
    return ((*OUTPUTS[0][:place], *([99] * (10 - place))), *OUTPUTS[1:])


def test_the_ratio_is_exp_of_the_mean_difference() -> None:
    # 4 documents of 10 tokens; 0.4 nats more in all are 0.01 nats per token.
    found = judge(quality(), quality((20.4, 25.0, 30.0, 25.0)), GATE)
    assert found.perplexity_ratio.value == pytest.approx(math.exp(0.01))
    assert found.passed


def test_a_variant_that_predicts_worse_fails_with_the_numbers() -> None:
    found = judge(quality(), quality((20.3, 25.3, 30.3, 25.3)), GATE)
    assert not found.passed
    assert found.resolved  # every document says the same
    assert found.reason == "perplexity is 1.03 times the baseline's, the gate allows 1.02"
    assert quality_columns(found, GATE)["flags"] == BELOW_GATE


def test_the_limit_itself_passes() -> None:
    more = 10 * math.log(1.02) - 1e-9
    assert judge(quality(), quality(tuple(value + more for value in (20.0, 25.0, 30.0, 25.0))), GATE).passed


def test_an_interval_that_holds_the_limit_leaves_the_verdict_open() -> None:
    found = judge(quality(), quality((20.0, 25.0, 30.0, 26.0)), GATE)  # one document carries all of exp(1 / 40) = 1.025
    assert not found.passed
    assert not found.resolved


def test_infinite_perplexity_fails() -> None:
    found = judge(quality(), quality((1e6, 25.0, 30.0, 25.0)), GATE)
    assert not found.passed
    assert math.isnan(quality_columns(found, GATE)["quality"])
    assert found.to_dict()["perplexity_ratio"]["value"] is None


def test_agreement_counts_decisions_after_the_same_prefix() -> None:
    # First output differs at place 4: 4 decisions agree, the 5th does not, what follows has another prefix. 34 of 35 agree.
    found = judge(quality(), quality(outputs=differing_from(4), forced=9), GATE)
    assert found.agreement["generated"].value == pytest.approx(34 / 35)
    assert found.agreement["forced"].value == pytest.approx(0.9)
    assert found.least_agreement == pytest.approx(0.9)
    assert found.identical == pytest.approx(34 / 40)
    assert found.passed


def test_a_variant_that_decides_otherwise_fails() -> None:
    found = judge(quality(), quality(forced=8), GATE)
    assert found.reason == "80.0% of greedy decisions along the baseline's continuation agree with the baseline's, the gate asks for 90.0%"
    other = tuple((99, *ids[1:]) for ids in OUTPUTS)
    found = judge(quality(), quality(outputs=other), GATE)
    assert found.agreement["generated"].value == 0.0
    assert found.reason == "0.0% of greedy decisions in its own generation agree with the baseline's, the gate asks for 90.0%"


def test_a_variant_need_not_agree_more_than_the_baseline_with_itself() -> None:
    itself = quality(outputs=tuple((*ids[:3], 99, *ids[4:]) for ids in OUTPUTS), forced=7)
    found = judge(quality(), quality(outputs=itself.outputs, forced=7), GATE, itself=itself)
    assert found.passed
    assert found.required["forced"] < 0.7
    assert found.required["generated"] < 0.75  # 3 of 4 decisions agree
    assert "The baseline agrees with itself on 70.0% of greedy decisions" in found.notes[0]
    assert not judge(quality(), quality(forced=3), GATE, itself=itself).passed


def test_a_second_launch_that_agrees_changes_nothing() -> None:
    found = judge(quality(), quality(forced=8), GATE, itself=quality())
    assert found.required == {"forced": 0.9, "generated": 0.9}
    assert found.notes == ()
    assert not found.passed
    assert "one launch only" in judge(quality(), quality(), GATE).notes[0]


def test_shares_that_all_agree_have_an_interval_all_the_same() -> None:
    low, high = judge(quality(), quality(), GATE).agreement["forced"].ci95 or (0.0, 0.0)
    assert high == 1.0
    assert low == pytest.approx(0.025 ** (1 / 40))  # Clopper and Pearson: (alpha / 2)^(1 / n) when all of n agree


def test_one_document_gives_no_interval_of_the_ratio() -> None:
    one = Quality("same", (20.0,), (10,), OUTPUTS[:1], token_digest(OUTPUTS[:1]), (10,))
    found = judge(one, one, GATE)
    assert found.perplexity_ratio.ci95 is None
    assert not found.resolved


def test_the_interval_of_the_ratio_covers_the_truth() -> None:
    # 400 experiments with 16 documents whose true mean difference is 0.01 nats per token; two standard errors of 95 % are 2.2 %.
    rng = np.random.default_rng(7)
    covered = 0
    outputs = ((1,),) * 16
    for _ in range(400):
        before = rng.normal(300, 40, 16)
        after = before + rng.normal(1.0, 2.0, 16)
        pair = [Quality("d", tuple(nll), (100,) * 16, outputs, token_digest(outputs), (1,) * 16) for nll in (before, after)]
        low, high = judge(*pair, GATE).perplexity_ratio.ci95 or (0.0, 0.0)
        covered += low <= math.exp(0.01) <= high
    assert 0.928 <= covered / 400 <= 0.972


def test_only_comparable_measurements_are_judged() -> None:
    base = quality()
    other = Quality("other", base.nll, base.scored, base.outputs, base.along, base.forced)
    own = Quality("same", base.nll, base.scored, base.outputs, "own continuations", base.forced)
    for strange in (other, own):
        with pytest.raises(RunError, match="along its continuations"):
            judge(base, strange, GATE)
        with pytest.raises(RunError, match="along its continuations"):
            judge(base, base, GATE, itself=strange)


def points(columns: list[dict[str, object]]) -> pd.DataFrame:
    rows = [{"evidence": "measured", "interactivity_tok_s_user": 50.0, "total_tput_tok_s_gpu": 100.0, **one} for one in columns]
    return normalize_points(pd.DataFrame(rows), origin="test")


def test_columns_agree_with_the_integrity_check() -> None:
    verdicts = [judge(quality(), quality((v, 25.0, 30.0, 25.0), forced=f), GATE) for v, f in ((20.0, 10), (24.0, 10), (20.0, 5))]
    table = points([quality_columns(found, GATE) for found in verdicts])
    # The second predicts worse, which its number shows; the third decides otherwise, which only its flag shows.
    assert below_gate(table).tolist() == [False, True, True]
    assert accuracy_gate(table).tolist() == [False, True, True]
    assert usable(table, "total").tolist() == [True, False, False]
    assert table["quality_metric"].tolist() == ["perplexity_ratio"] * 3


@pytest.mark.parametrize(("flags", "marked"), [(BELOW_GATE, True), (f"cold; {BELOW_GATE} ;x", True), (f"not_{BELOW_GATE}", False), ("", False)])
def test_the_flag_is_one_of_a_list(flags: str, marked: bool) -> None:
    table = points([{"flags": flags}])
    assert below_gate(table).tolist() == accuracy_gate(table).tolist() == [marked]


def test_the_document_of_a_run() -> None:
    found = judge(quality(), quality((20.3, 25.3, 30.3, 25.3)), GATE)
    score = Score("arc_easy", "acc", "none", 0.5, math.nan, True, 10, "1.0")
    document = quality_document(GATE, [JudgedVariant("precision", quality((20.3, 25.3, 30.3, 25.3)), found, [score])])
    assert document["schema"] == "frontier.quality/1"
    assert document["gate"]["max_perplexity_increase"] == 0.02
    (row,) = document["variants"]
    assert row["variant"] == "precision"
    assert row["perplexity"] == pytest.approx(math.exp(101.2 / 40))
    assert row["perplexity_ratio"]["value"] == pytest.approx(math.exp(0.03))
    assert row["passed"] is False
    assert row["agreement"]["forced"]["required"] == 0.9
    assert row["scores"][0]["stderr"] is None


def test_every_key_of_the_documents_is_described() -> None:
    page = (Path(__file__).parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")
    run = quality_document(GATE, [JudgedVariant("baseline", quality(), judge(quality(), quality(), GATE))])
    (row,) = run["variants"]
    keys = {"schema", "gate", *GATE.to_dict(), *(f"variants[].{key}" for key in row), *quality().to_dict(), *row["perplexity_by_document"]}
    keys |= {*row["agreement"], *row["agreement"]["forced"], *quality_columns(judge(quality(), quality(), GATE), GATE)}
    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []
