"""Held-out documents as token ids: the same ids are asked of every variant, so no server's tokenizer enters the comparison."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from frontier.errors import MachineError, RunError
from frontier.quality.gate import Gate

TEXTS, TOKENIZER = "heldout.jsonl", "tokenizer.json"


def heldout_texts(folder: Path) -> list[str]:
    """The held-out documents of a checkpoint folder, in file order.

    Raises
    ------
    RunError
        If ``heldout.jsonl`` is missing or a line is no object with a ``text``.
    """
    file = folder / TEXTS
    if not file.is_file():
        raise RunError(
            f"{folder.name} has no {TEXTS}, so there is no held-out text to ask about",
            origin=str(folder),
            hint=f'put {TEXTS} there, one {{"text": ...}} per line, or set quality=none',
        )
    texts = []
    for place, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            texts.append(str(json.loads(line)["text"]))
        except (ValueError, KeyError, TypeError) as cause:
            raise RunError(f'line {place} of {TEXTS} must be an object with a "text", got {line[:60]!r}', origin=str(file)) from cause
    return texts


def heldout_documents(folder: Path, gate: Gate) -> list[list[int]]:
    """Token ids of the first held-out documents that are long enough, each cut to the gate's length.

    Parameters
    ----------
    folder : Path
        A checkpoint folder with ``heldout.jsonl`` and ``tokenizer.json``.
    gate : Gate

    Returns
    -------
    list of ``gate.documents`` lists of ``gate.prompt_tokens`` ids

    Raises
    ------
    RunError
        If a file is missing, or fewer documents are long enough than the gate asks for.
    MachineError
        If the package ``tokenizers`` is not installed.
    """
    file = folder / TOKENIZER
    if not file.is_file():
        raise RunError(f"{folder.name} has no {TOKENIZER}", origin=str(folder), hint="pass token ids, or a checkpoint folder with its tokenizer")
    try:
        from tokenizers import Tokenizer  # an extra: only held-out texts need it
    except ImportError as cause:
        raise MachineError("held-out texts need the package tokenizers, which is not installed", hint="pip install tokenizers") from cause
    tokenizer = Tokenizer.from_file(str(file))
    texts = heldout_texts(folder)
    documents: list[list[int]] = []
    for text in texts:
        ids = tokenizer.encode(text).ids[: gate.prompt_tokens]
        if len(ids) == gate.prompt_tokens:
            documents.append(ids)
        if len(documents) == gate.documents:
            return documents
    raise RunError(
        f"{len(documents)} of {len(texts)} held-out documents have {gate.prompt_tokens} tokens, the gate asks for {gate.documents}",
        origin=str(folder / TEXTS),
        hint=f"quality.documents={max(len(documents), 1)}, or a smaller quality.prompt_tokens",
    )


def token_digest(sequences: Sequence[Sequence[int]]) -> str:
    """SHA-256 (hex) of lists of token ids: two measurements are comparable only if theirs are equal."""
    return hashlib.sha256(json.dumps([list(one) for one in sequences]).encode()).hexdigest()
