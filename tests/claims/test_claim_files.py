"""Every claim in conf/claim: it loads, names its source, can be put to the test, and stands in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontier.claims import claim_names, load_claim
from frontier.claims.unsaid import unsaid
from frontier.config import compose, conf_dir, experiments
from frontier.errors import ConfigError, ConfigErrors
from frontier.records import COLUMNS

NAMES = claim_names()
DOCS = conf_dir().parent / "docs" / "claims.md"


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_names_statement_source_date_and_what_would_settle_it(name: str) -> None:
    claim = load_claim(name)
    assert claim.statement
    assert claim.source
    assert claim.settled_by
    assert claim.title
    assert len(claim.date) == len("2025-01-01")
    assert claim.value is not None or claim.value_rule
    if claim.confirmed == "unconfirmed":
        assert any("read" in remark for remark in claim.remarks), "an unconfirmed claim says what was read"


@pytest.mark.parametrize("name", NAMES)
def test_the_file_starts_with_its_claim_as_a_comment(name: str) -> None:
    first = (conf_dir() / "claim" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# Claim: ")


@pytest.mark.parametrize("name", NAMES)
def test_every_prediction_of_a_reading_composes(name: str) -> None:
    for reading in load_claim(name).readings.values():
        assert reading.title
        assert reading.model or reading.experiment
        if reading.experiment:
            assert reading.experiment in experiments()
            assert compose(reading.experiment, reading.overrides).engine.kind == "predicted"


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_is_documented(name: str) -> None:
    assert f"| `{name}` |" in DOCS.read_text(encoding="utf-8")


def test_every_key_of_a_claim_and_of_a_table_is_documented() -> None:
    from dataclasses import fields

    from frontier.claim_schema import ClaimConfig, ReadingConfig, SideConfig, TcoConfig, TcoGpu

    text = DOCS.read_text(encoding="utf-8")
    for schema in (ClaimConfig, SideConfig, ReadingConfig, TcoConfig, TcoGpu):
        missing = [item.name for item in fields(schema) if f"`{item.name}`" not in text]
        assert not missing, f"{schema.__name__}: {missing}"


def test_sides_are_described_by_columns_of_the_points_table() -> None:
    from frontier.claims.sides import STATED

    assert set(STATED) <= set(COLUMNS)


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "conf" / "claim").mkdir(parents=True)
    (tmp_path / "conf" / "claim" / "one.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "conf"


GOOD = 'title: t\nstatement: s\nsource: x\ndate: "2025-01-01"\n'


def test_every_fault_of_a_claim_file_is_told_at_once(tmp_path: Path) -> None:
    conf = written(tmp_path, "title: t\nvalu: 3\nvalue: many\nbaseline: {hardwear: [h100_sxm]}\n")
    with pytest.raises(ConfigErrors) as caught:
        load_claim("one", conf)
    text = str(caught.value)
    for part in ("valu", "did you mean 'value'", "value must be a number or null, got 'many'", "hardwear", "statement is missing", "date is missing"):
        assert part in text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("direction: below", "direction must be one of about, at_least, at_most, up_to, got 'below'"),
        ("per: watt", "per must be one of gpu"),
        ("quantity: speed", "quantity must be one of ratio"),
        ("value: -2.0", "value must be positive, got -2"),
        ("tolerance: 2.0", "tolerance must lie between 0 and 1, got 2"),
        ("usd_kind: list", "usd_kind must be one of hyperscaler"),
        ("confirmed: primary", "no page is named"),
        ("interactivity_until_tok_s_user: 50.0", "needs interactivity_tok_s_user"),
    ],
)
def test_words_and_numbers_outside_their_range_are_refused(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigErrors, match=message):
        load_claim("one", written(tmp_path, f"{GOOD}{line}\n"))


def test_an_unknown_claim_is_refused_with_the_closest() -> None:
    with pytest.raises(ConfigError, match="no claim 'rubin_900x'") as caught:
        load_claim("rubin_900x")
    assert "rubin_900x_hopper" in str(caught.value)


def test_what_a_bare_claim_leaves_unsaid(tmp_path: Path) -> None:
    lines = unsaid(load_claim("one", written(tmp_path, f"{GOOD}per: megawatt\nunsaid: [Why.]\n")))
    assert lines == [
        "Which model.",
        "Input and output lengths.",
        "Which tokens are counted: output alone, or input and output together.",
        "At which interactivity (tokens/s/user).",
        "Of the baseline: system, precision, engine and version, speculative decoding, disaggregation.",
        "Of the target: system, precision, engine and version, speculative decoding, disaggregation.",
        "The number: the claim states none.",
        "Which power: the GPU's own, the server's, or all-in with network and cooling; and of which table.",
        "How often it was measured, and the spread.",
        "Why.",
    ]
