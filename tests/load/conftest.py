from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def tokenizer_folder(tmp_path: Path) -> Path:
    """A byte-level BPE tokenizer of a few hundred tokens, trained on the spot."""
    tokenizers = pytest.importorskip("tokenizers", reason="prompts need tokenizers: pip install 'frontier-kit[serving]'")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    words = [f"{a}{b}{c}" for a in "bcdfg" for b in "aeiou" for c in "lmnrs"]
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=800, special_tokens=["<s>"], initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([" ".join(words)] * 20, trainer)
    folder = tmp_path / "model"
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>"}))
    return folder
