from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from frontier.errors import RunError, UsageError
from frontier.load.prompts import Prompt, _Text, load_tokenizer, make_prompts, read_texts, write_dataset


@pytest.mark.parametrize("isl", [3, 16, 300])
def test_prompts_have_exactly_the_length(tokenizer_folder: Path, isl: int) -> None:
    tokenizer = load_tokenizer(tokenizer_folder)
    prompts = make_prompts(tokenizer, isl, 20, seed=1)
    assert {len(tokenizer.encode(prompt.text).ids) for prompt in prompts} == {isl} == {len(prompt.ids) for prompt in prompts}
    assert len({prompt.text for prompt in prompts}) == 20


def test_special_tokens_that_the_tokenizer_adds_count(tokenizer_folder: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = load_tokenizer(tokenizer_folder / "tokenizer.json")
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))])
    prompts = make_prompts(tokenizer, 16, 5, seed=1)
    assert {len(tokenizer.encode(prompt.text).ids) for prompt in prompts} == {16}
    with pytest.raises(UsageError, match="more than the 1 special tokens"):
        make_prompts(tokenizer, 1, 1, seed=1)


def test_seed_and_salt_fix_the_prompts(tokenizer_folder: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_folder)
    draws = ((1, "a"), (1, "a"), (1, "b"), (2, "a"))
    texts = [[prompt.text for prompt in make_prompts(tokenizer, 16, 10, seed=seed, salt=salt)] for seed, salt in draws]
    assert texts[0] == texts[1]
    assert not set(texts[0]) & set(texts[2])
    assert not set(texts[0]) & set(texts[3])


def test_real_text_is_cut_to_length_and_begins_with_words_of_its_own(tokenizer_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(json.dumps({"text": "bal bel bil bol bul, again and again."}) + "\nplain line of text\n")
    tokenizer = load_tokenizer(tokenizer_folder)
    prompts = make_prompts(tokenizer, 24, 12, seed=3, texts=read_texts(path))
    assert {len(tokenizer.encode(prompt.text).ids) for prompt in prompts} == {24}
    assert any("again" in prompt.text for prompt in prompts)
    assert len({" ".join(prompt.text.split()[:4]) for prompt in prompts}) == 12


def test_every_piece_of_the_text_comes_before_any_comes_again(tokenizer_folder: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_folder)
    words = [word for word in tokenizer.get_vocab() if word.isalpha() and len(tokenizer.encode(f"a {word} a").ids) == 3][:40]
    source = _Text(tokenizer, [" ".join(words)], random.Random(1))
    first, second = ([source.take(10) for _ in range(4)] for _ in range(2))
    assert sorted(first) == sorted(second)
    assert sorted(word for piece in first for word in piece.split()) == sorted(words)


@pytest.mark.parametrize(("content", "message"), [("", "holds no text"), ("{bad\n", "line 1 begins like JSON"), ('{"a": 1}\n', "line 1 has no text")])
def test_a_bad_prompts_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "p").write_text(content)
    with pytest.raises(UsageError, match=message):
        read_texts(tmp_path / "p")


def test_more_prompts_than_there_can_be(tokenizer_folder: Path) -> None:
    with pytest.raises(RunError, match=r"cannot make 5000 distinct prompts of exactly 1 tokens"):
        make_prompts(load_tokenizer(tokenizer_folder), 1, 5000, seed=0)
    with pytest.raises(UsageError, match="must be at least 1, got 0 and 3"):
        make_prompts(load_tokenizer(tokenizer_folder), 0, 3, seed=0)


def test_a_tokenizer_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no tokenizer"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UsageError, match="not a tokenizer"):
        load_tokenizer(tmp_path)


def test_the_dataset_names_each_prompt(tmp_path: Path) -> None:
    row = json.loads(write_dataset([Prompt("a b", (5, 6))], 7, tmp_path / "d.jsonl").read_text())
    # sha256 of "a b" begins c8687a08 (coreutils sha256sum)
    assert row == {"session_id": "000000-c8687a08", "text": "a b", "output_length": 7, "extra": {"prompt": [5, 6]}}
