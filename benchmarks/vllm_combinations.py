"""Every combination of levers that vLLM serves on the CPU, tried: does it start, hand over, accept drafts, and say the same.

    python benchmarks/vllm_combinations.py [--only NAME ...] [--cache FOLDER]

Each deployment gets the same prompts of held-out text one after another, greedy. Texts are compared token by token with the plain server of the same
precision form. Needs ``frontier doctor --install vllm`` and ``frontier checkpoint make pocket``; about 45 s a row on two cores. The table stands in
docs/tools.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import urllib.request
from itertools import product
from pathlib import Path
from typing import Any

from frontier.checkpoints import Checkpoint, find, quantized
from frontier.errors import FrontierError
from frontier.load import load_tokenizer
from frontier.quality import heldout_texts
from frontier.serving import Running, VllmKnobs, VllmLevers, deployment, difference, launch
from frontier.tools import find as find_tool

PROMPTS, PROMPT_TOKENS, OUT_TOKENS, DRAFTS = 24, 128, 32, 2
READY_S = 300.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def combinations() -> dict[str, VllmLevers]:
    """Name -> levers: precision, parallelism, drafts on the model's own head and disaggregation in full; then replicas and looked-up drafts."""
    found = {}
    for form, tp, drafts, apart in product(("bf16", "w8a8_int8"), (1, 2), (0, DRAFTS), (False, True)):
        words = [form, f"tp{tp}", f"mtp{drafts}" if drafts else "", "disaggregated" if apart else ""]
        found["+".join(word for word in words if word)] = VllmLevers(form, tp, 1, "mtp" if drafts else "none", drafts, apart)
    found["bf16+tp1+ngram3"] = VllmLevers("bf16", 1, 1, "ngram", 3)
    found["bf16+dp2"] = VllmLevers("bf16", 1, 2)
    return found


def prompts(model: Path) -> list[list[int]]:
    """Prompts of held-out text, tokens from the middle of documents."""
    tokenizer = load_tokenizer(model)
    pieces = (tokenizer.encode(text, add_special_tokens=False).ids[100 : 100 + PROMPT_TOKENS] for text in heldout_texts(model))
    return [piece for piece in pieces if len(piece) == PROMPT_TOKENS][:PROMPTS]


def answer(url: str, prompt: list[int]) -> list[int]:
    """Greedy tokens after a prompt."""
    body = {"model": "model", "prompt": prompt, "max_tokens": OUT_TOKENS, "ignore_eos": True, "temperature": 0, "return_token_ids": True}
    request = urllib.request.Request(f"{url}/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with _OPENER.open(request, timeout=120) as stream:
        return list(map(int, json.loads(stream.read())["choices"][0]["token_ids"]))


def counted(running: Running, texts: list[list[int]]) -> dict[str, Any]:
    """The answers of a deployment, its replicas in turn, and what its counters say of them."""
    before = running.scrape()
    found = [answer(running.urls[number % len(running.urls)], prompt) for number, prompt in enumerate(texts)]
    change = difference(before, running.scrape())
    steps = change.get("drafts", 0.0)
    return {
        "ready_s": running.ready_s,
        "acceptance": 1 + change.get("accepted_tokens", 0.0) / steps if steps else None,
        "handed_over": change.get("handed_over_tokens", 0.0),
        "texts": found,
    }


def tried(name: str, levers: VllmLevers, made: Checkpoint, cache: Path, texts: list[list[int]], folder: Path) -> dict[str, Any]:
    """A row: what was counted, or why it does not serve."""
    plain = levers.precision_form == "bf16"
    model = made.path if plain else quantized(made, "int8", cache / "checkpoints").path
    knobs = VllmKnobs("cpu", str(model), max_model_len=512, max_num_seqs=8, colocate=2 * levers.tp * levers.dp > 2, cores=(0, 1))
    python = find_tool("vllm", cache / "tools").python
    try:
        with launch(deployment(levers, knobs), folder / name, python, ready_timeout_s=READY_S) as running:
            return counted(running, texts)
    except FrontierError as error:
        return {"failed": error.message.splitlines()[0]}


def line(name: str, row: dict[str, Any], reference: list[list[int]] | None) -> str:
    """A row of the table."""
    if "failed" in row:
        return f"| {name} | no: {row['failed']} | | | |"
    same = sum(one == other for one, other in zip(row["texts"], reference or [], strict=True)) if reference else None
    accepted = "" if row["acceptance"] is None else f"{row['acceptance']:.2f}"
    equal = "" if same is None else f"{same} of {len(row['texts'])}"
    return f"| {name} | {row['ready_s']:.0f} s | {accepted} | {row['handed_over']:.0f} | {equal} |"


def main() -> int:
    """Print the table; 1 where a deployment does not serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=sorted(combinations()), help="by default all")
    parser.add_argument("--cache", type=Path, default=Path(__file__).parents[1] / "artifacts" / "cache")
    given = parser.parse_args()
    made = find("pocket", given.cache / "checkpoints")
    if made is None:
        print("frontier checkpoint make pocket comes first", file=sys.stderr)
        return 3
    texts = prompts(made.path)
    print("| deployment | ready after | tokens per step | tokens handed over | texts as the plain server's |\n|---|---|---|---|---|")
    references: dict[str, list[list[int]]] = {}
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, levers in combinations().items():
            if given.only and name not in given.only:
                continue
            row = tried(name, levers, made, given.cache, texts, Path(folder))
            failed += "failed" in row
            print(line(name, row, references.get(levers.precision_form)), flush=True)
            if "failed" not in row:
                references.setdefault(levers.precision_form, row["texts"])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
