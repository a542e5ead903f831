"""What a deployment puts out, on a server whose model one can compute by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from quality_server import Model, served

from frontier.errors import ConfigError, RunError
from frontier.quality import Gate, Quality, heldout_documents, heldout_texts, measure

GATE = Gate(documents=2, prompt_tokens=3, output_tokens=4)
# Steps along the row 0, 1, 2, ... have probability p, the others (1 - p) / 9.
DOCUMENTS = [[0, 1, 2], [3, 4, 8]]


def measured(model: Model, documents: list[list[int]] = DOCUMENTS, **more: object) -> Quality:
    with served(model) as url:
        return measure(url, "toy", documents, GATE, **more)  # type: ignore[arg-type]


def test_perplexity_by_hand() -> None:
    found = measured(Model(p=0.55))
    # First document: two likely steps; second: one likely and one unlikely, (1 - 0.55) / 9 = 0.05.
    assert found.nll == pytest.approx([-2 * math.log(0.55), -math.log(0.55) - math.log(0.05)])
    assert found.tokens == 4
    assert found.perplexity == pytest.approx((0.55**3 * 0.05) ** -0.25)
    assert found.perplexity_by_document == pytest.approx([1 / 0.55, (0.55 * 0.05) ** -0.5])
    assert found.outputs == ((3, 4, 5, 6), (9, 0, 1, 2))
    assert found.forced == (4, 4)


def test_decisions_along_the_baselines_continuation() -> None:
    baseline = measured(Model())
    # After 4 this model prefers 6: one decision of the first continuation (3, 4, 5, 6) differs, none of the second (9, 0, 1, 2).
    found = measured(Model(swapped=(4,)), baseline=baseline)
    assert found.forced == (3, 4)
    assert found.outputs == ((3, 4, 6, 7), (9, 0, 1, 2))
    assert found.along == baseline.along


def test_a_tie_for_the_first_place_counts_as_first() -> None:
    # With p = 0.1 all ten tokens are equally likely, so none is wrong.
    assert measured(Model(p=0.1, swapped=(4,)), baseline=measured(Model())).forced == (4, 4)


def test_one_request_of_each_kind_per_document_and_greedy() -> None:
    model = Model()
    measured(model)
    assert [body["max_tokens"] for body in model.asked] == [4, 4, 1, 1]
    assert all(body["temperature"] == 0 for body in model.asked)
    assert model.asked[0]["ignore_eos"]
    assert model.asked[2]["prompt"] == [0, 1, 2, 3, 4, 5, 6]


def test_disaggregated_prompts_are_scored_where_they_are_computed() -> None:
    users, prefill = Model(fault="stale"), Model()
    with served(users) as url, served(prefill) as prefill_url:
        found = measure(url, "toy", DOCUMENTS, GATE, prefill_url=prefill_url)
    assert found.forced == (4, 4)
    assert {"prompt_logprobs" in body for body in users.asked} == {False}
    assert all("prompt_logprobs" in body for body in prefill.asked)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("stale", r"no log-probability of token 1 at position 1 of the prompt, but of \[93824\].*prefill_url"),
        ("no_logprobs", "gives no log-probabilities of the prompt"),
        ("fewer", "log-probabilities of 6 tokens, asked about 7"),
        ("nan", "undefined log-probability at position 1"),
        ("no_ids", "returns no token ids"),
        ("short", "generated 3 tokens, asked for 4"),
        ("refuse", "status 400: This model's maximum context length is 4 tokens"),
        ("html", "something else than a completion: '<html>'"),
    ],
)
def test_a_server_that_cannot_answer_is_told_apart(fault: str, words: str) -> None:
    with pytest.raises(RunError, match=f"(?s){words}"):
        measured(Model(fault=fault))


def test_a_server_that_does_not_answer() -> None:
    with pytest.raises(RunError, match=r"did not answer within 0\.2 s"):
        measured(Model(fault="hang"), timeout_s=0.2)
    with served(Model()) as url:
        gone = url
    with pytest.raises(RunError, match="cannot be reached: ConnectionError"):
        measure(gone, "toy", DOCUMENTS, GATE)
    with served(Model()) as url, pytest.raises(RunError, match=r"status 404: The model does not exist"):
        measure(f"{url}/v1", "other", DOCUMENTS, GATE)


def test_measurements_of_other_documents_do_not_meet() -> None:
    baseline = measured(Model())
    with pytest.raises(RunError, match="asked about other documents"):
        measured(Model(), [[0, 1, 2], [3, 4, 5]], baseline=baseline)
    with served(Model()) as url, pytest.raises(RunError, match="continuations are not 5 tokens long"):
        measure(url, "toy", DOCUMENTS, Gate(output_tokens=5), baseline=baseline)
    with pytest.raises(RunError, match="at least 2 tokens"):
        measure("http://127.0.0.1:9", "toy", [[1]], GATE)


def test_round_trip_through_json() -> None:
    found = measured(Model())
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert Quality.from_dict(json.loads(text)) == found
    with pytest.raises(RunError, match=r"schema frontier\.output/1, got 'x'"):
        Quality.from_dict({"schema": "x"})
    with pytest.raises(RunError, match="one length"):
        Quality.from_dict({**found.to_dict(), "nll": [1.0]})
    with pytest.raises(RunError, match="lacks or garbles 'nll'"):
        Quality.from_dict({key: value for key, value in found.to_dict().items() if key != "nll"})


def test_output_beyond_all_bounds_is_infinite_in_memory_and_null_in_files() -> None:
    found = Quality("d", (5000.0,), (2,), ((1,),), "a", (0,))
    assert found.perplexity == math.inf
    assert found.to_dict()["perplexity"] is None


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    tokenizers = pytest.importorskip("tokenizers")
    from tokenizers.models import WordLevel  # beside the import that may be skipped
    from tokenizers.pre_tokenizers import Whitespace

    made = tokenizers.Tokenizer(WordLevel({"a": 0, "b": 1, "c": 2, "?": 3}, unk_token="?"))
    made.pre_tokenizer = Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "heldout.jsonl").write_text('{"text": "a b c a"}\n{"text": "a b"}\n\n{"text": "c c d"}\n', encoding="utf-8")
    return tmp_path


def test_heldout_documents_are_cut_and_short_ones_left_out(checkpoint: Path) -> None:
    assert heldout_texts(checkpoint) == ["a b c a", "a b", "c c d"]
    assert heldout_documents(checkpoint, Gate(documents=2, prompt_tokens=3)) == [[0, 1, 2], [2, 2, 3]]
    with pytest.raises(RunError, match="2 of 3 held-out documents have 3 tokens, the gate asks for 3"):
        heldout_documents(checkpoint, Gate(documents=3, prompt_tokens=3))


def test_a_checkpoint_without_texts(checkpoint: Path) -> None:
    (checkpoint / "heldout.jsonl").write_text('{"text": "a"}\n{"words": 1}\n', encoding="utf-8")
    with pytest.raises(RunError, match=r'line 2 of heldout\.jsonl must be an object with a "text"'):
        heldout_texts(checkpoint)
    (checkpoint / "heldout.jsonl").unlink()
    with pytest.raises(RunError, match=r"no heldout\.jsonl"):
        heldout_texts(checkpoint)
    (checkpoint / "tokenizer.json").unlink()
    with pytest.raises(RunError, match=r"no tokenizer\.json"):
        heldout_documents(checkpoint, GATE)


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("max_perplexity_increase", -0.1, "at least 0"),
        ("min_greedy_agreement", 1.5, "between 0 and 1"),
        ("documents", 0, "at least 1"),
        ("prompt_tokens", 1, "at least 2"),
        ("output_tokens", 0, "at least 1"),
    ],
)
def test_a_gate_out_of_range_is_refused(field: str, value: float, rule: str) -> None:
    with pytest.raises(ConfigError, match=rf"quality\.{field} must be {rule}.*got {value}"):
        Gate(**{field: value})  # type: ignore[arg-type]
