"""Prompts of an exact number of tokens, reproducible from a seed, no two alike.

Prompts are made as text, encoded with the special tokens that the tokenizer adds by itself, changed until the count is right, and sent as token
ids: a server that loads the same tokenizer through another class splits words otherwise (measured: 128 to 139 tokens where 128 were asked for).
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.errors import MachineError, RunError, UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Words to draw from: enough that no two prompts of eight words are alike by chance (4096^8), few enough to test each one.
WORDS = 4096
# Entropy of the words that a prompt of a text file begins with, so that no prefix cache meets it twice; prompts of random words have more.
SALT_BITS = 64
_TRIES = 64


@dataclass(frozen=True)
class Prompt:
    """One prompt.

    Parameters
    ----------
    text : str
    ids : tuple of int
        The text's tokens, the tokenizer's own special tokens included; what is sent.
    """

    text: str
    ids: tuple[int, ...]

    @property
    def sha8(self) -> str:
        """First eight hexadecimal digits of the text's SHA-256."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:8]


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model's folder (``tokenizer.json``), or of that file itself.

    Raises
    ------
    MachineError
        If the package ``tokenizers`` is not installed.
    UsageError
        If the file is missing or is no tokenizer.
    """
    try:
        # Imported on use: only those who make prompts need the package.
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MachineError("prompts of exact length need the package tokenizers", hint="pip install 'frontier-kit[serving]'") from error
    path = folder / "tokenizer.json" if folder.is_dir() else folder
    if not path.is_file():
        raise UsageError(f"no tokenizer: {path} is not there", hint="a model's folder with tokenizer.json")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises bare Exception on a malformed file
        raise UsageError(f"not a tokenizer: {error}", origin=str(path)) from error


def make_prompts(tokenizer: Tokenizer, isl_tokens: int, count: int, *, seed: int, salt: str = "", texts: Sequence[str] = ()) -> list[Prompt]:
    """Distinct prompts of exactly ``isl_tokens`` tokens.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    isl_tokens : int, >= 1, tokens
        Length with the special tokens that the tokenizer adds.
    count : int, >= 1
    seed : int
    salt : str
        Other salts give other prompts at the same seed: a point's own name keeps it from meeting another point's prompts in a cache.
    texts : sequence of str
        Real text to cut prompts from, in an order that seed and salt fix; each prompt begins with 64 bits of words of its own. Without it prompts are
        random words of the vocabulary.

    Raises
    ------
    UsageError
        If the length or the count cannot be.
    RunError
        If the tokenizer does not let a prompt of this length be made.
    """
    if isl_tokens < 1 or count < 1:
        raise UsageError(f"isl_tokens and the number of prompts must be at least 1, got {isl_tokens} and {count}")
    draw = random.Random(f"{seed}/{salt}")
    special = len(tokenizer.encode("").ids)
    if isl_tokens <= special:
        raise UsageError(f"isl_tokens must be more than the {special} special tokens that the tokenizer adds, got {isl_tokens}")
    vocabulary = _words(tokenizer, draw)
    source = _Text(tokenizer, texts, draw) if any(text.strip() for text in texts) else None
    out: dict[str, Prompt] = {}
    for _ in range(count):
        for _ in range(_TRIES):
            prompt = _one(tokenizer, isl_tokens, special, vocabulary, source, draw)
            if prompt is not None and prompt.text not in out:
                out[prompt.text] = prompt
                break
        else:
            raise RunError(
                f"cannot make {count} distinct prompts of exactly {isl_tokens} tokens: {len(out)} were made",
                hint="a longer isl_tokens, fewer prompts, or another tokenizer",
            )
    return list(out.values())


def read_texts(path: Path) -> list[str]:
    """Texts of a file: JSON lines with ``text`` or ``prompt``, else one text per line.

    Raises
    ------
    UsageError
        If the file cannot be read or holds no text.
    """
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the prompts file: {error}", origin=str(path)) from error
    texts = []
    for number, line in enumerate(lines, 1):
        if not line.lstrip().startswith("{"):
            texts.append(line)
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UsageError(f"line {number} begins like JSON and is none: {error}", origin=str(path)) from error
        text = row.get("text", row.get("prompt"))
        if not isinstance(text, str):
            raise UsageError(f"line {number} has no text: it needs a key text or prompt with a string", origin=str(path))
        texts.append(text)
    if not texts:
        raise UsageError("the prompts file holds no text", origin=str(path))
    return texts


def write_dataset(prompts: Sequence[Prompt], osl_tokens: int, path: Path) -> Path:
    """Write prompts for aiperf's single-turn loader.

    A prompt's number and hash are its session id; ``extra`` goes over the request's body, so the ids are sent and the text is there to be read.
    """
    rows = (
        {"session_id": f"{at:06d}-{prompt.sha8}", "text": prompt.text, "output_length": osl_tokens, "extra": {"prompt": list(prompt.ids)}}
        for at, prompt in enumerate(prompts)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


class _Text:
    """Pieces of real text in a drawn order, all of them before any comes again.

    The order is over pieces, not over texts: prompts of one text follow each other nowhere, or a window would see a drift where the text changes.
    """

    def __init__(self, tokenizer: Tokenizer, texts: Sequence[str], draw: random.Random) -> None:
        self._tokenizer, self._draw = tokenizer, draw
        self._ids = [token for text in texts if text.strip() for token in tokenizer.encode(text + "\n", add_special_tokens=False).ids]
        self._pieces: list[list[int]] = []

    def take(self, count: int) -> str:
        """A piece of ``count`` tokens; of fewer where the whole text has fewer."""
        if not self._pieces:
            self._pieces = [self._ids[at : at + count] for at in range(0, max(1, len(self._ids) - count + 1), count)]
            self._draw.shuffle(self._pieces)
        return str(self._tokenizer.decode(self._pieces.pop(), skip_special_tokens=True))


def _words(tokenizer: Tokenizer, draw: random.Random) -> list[str]:
    """Words that are one token each behind a space, in a drawn order."""
    ids = list(range(tokenizer.get_vocab_size(with_added_tokens=False)))
    draw.shuffle(ids)
    found: list[str] = []
    for at in range(0, len(ids), WORDS):
        words = [text for token in ids[at : at + WORDS] if (text := tokenizer.decode([token]).strip()).isascii() and text.isalnum()]
        # A leading word keeps tokenizers that add a space of their own at the start from deciding the count.
        encoded = tokenizer.encode_batch([f"a {word}" for word in words], add_special_tokens=False)
        alone = len(tokenizer.encode("a", add_special_tokens=False).ids)
        found += [word for word, code in zip(words, encoded, strict=True) if len(code.ids) == alone + 1]
        if len(found) >= WORDS:
            break
    found = list(dict.fromkeys(found))[:WORDS]
    if len(found) < 2:
        raise RunError(f"the tokenizer has {len(found)} words of one token behind a space, prompts need at least 2")
    return found


def _one(tokenizer: Tokenizer, isl: int, special: int, words: Sequence[str], source: _Text | None, draw: random.Random) -> Prompt | None:
    """A prompt of exactly ``isl`` tokens, or None if this draw does not come to it."""
    room = isl - special
    salted = math.ceil(SALT_BITS / math.log2(len(words)))
    salt = [draw.choice(words) for _ in range(room if source is None else min(salted, room))]
    body = "" if source is None or room <= len(salt) else " " + source.take(room - len(salt))
    for _ in range(_TRIES):
        text = " ".join(salt) + body
        ids = tokenizer.encode(text).ids
        tokens = len(ids)
        if tokens == isl:
            return Prompt(text, tuple(ids))
        if tokens > isl and body:
            body = body[: -max(1, (tokens - isl) // 2)]
        elif tokens > isl:
            salt = salt[: -max(1, (tokens - isl) // 2)] if len(salt) > 1 else [draw.choice(words)]
        elif body:
            body += " " + draw.choice(words)
        else:
            salt += [draw.choice(words) for _ in range(max(1, (isl - tokens) // 2))]
    return None
