"""A byte-level BPE tokenizer, trained here, in the files that transformers and vLLM load."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

END, USER, ASSISTANT = "<|endoftext|>", "<|user|>", "<|assistant|>"
END_ID = 0
# How Qwen2 cuts text before merging: its published tokenizer.json.
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# A role, its text, the end mark; a system message is read as the user's.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|assistant|>' if message['role'] == 'assistant' else '<|user|>' }}\n{{ message['content'] }}<|endoftext|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Byte-level BPE (Sennrich et al., arXiv:1508.07909; bytes as in GPT-2) of exactly ``vocabulary`` tokens where the text gives them.

    Parameters
    ----------
    texts : iterable of str
        In an order that the caller fixes: ties between merges do not depend on it, counts do not either.
    vocabulary : int, tokens
        At least 259: 256 bytes and three special tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    _split(tokenizer)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END, USER, ASSISTANT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def widened(tokenizer: Tokenizer, vocabulary: int) -> Tokenizer:
    """The same tokenizer with further tokens that no text gives, so that every id a wider model emits has a text of its own.

    A model with random weights emits any id; a client that waits for visible text must not wait for ids without any.
    """
    document = json.loads(tokenizer.to_str())
    known = document["model"]["vocab"]
    for number in range(len(known), vocabulary):
        known[f"Ġ<{number}>"] = number  # Ġ is the byte-level alphabet's space
    return Tokenizer.from_str(json.dumps(document, ensure_ascii=False))


def _split(tokenizer: Tokenizer) -> None:
    """Cut text as Qwen2's tokenizer does.

    transformers (5.19) reads the tokenizer of a ``model_type: qwen2`` as Qwen2's and puts that cutting in the place of the file's own. With
    another one a server would see other tokens than the text was trained in (seen: on 64 of 64 held-out documents).
    """
    tokenizer.normalizer = normalizers.NFC()
    words = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()


def token_bytes(tokenizer: Tokenizer) -> list[int]:
    """Bytes of text behind each token id; 0 for special tokens. In the byte-level alphabet one character stands for one byte."""
    special = {END, USER, ASSISTANT}
    lengths = [0] * tokenizer.get_vocab_size()
    for token, number in tokenizer.get_vocab().items():
        lengths[number] = 0 if token in special else len(token)
    return lengths


def tokenizer_files(tokenizer: Tokenizer, max_positions: int) -> dict[str, str]:
    """File name -> content: ``tokenizer.json``, ``tokenizer_config.json`` (with the chat template) and ``generation_config.json``."""
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_positions,
        "bos_token": END,
        "eos_token": END,
        "pad_token": END,
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    return {
        "tokenizer.json": tokenizer.to_str(),
        "tokenizer_config.json": json.dumps(config, indent=1) + "\n",
        "generation_config.json": json.dumps({"bos_token_id": END_ID, "eos_token_id": END_ID, "pad_token_id": END_ID}, indent=1) + "\n",
    }
