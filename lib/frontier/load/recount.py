"""Whether a server counts tokens as its tokenizer does: one answer, counted again here.

A streamed chunk is not a token once drafts are verified several at a time, and tools that count chunks were wrong by up to seven times. The client
takes the server's own count; this says whether that can be taken.
"""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from frontier.errors import RunError
from frontier.load.prompts import load_tokenizer

TOLERANCE = 0.25  # text that is encoded again need not give the very tokens it was decoded from; random weights give such text most often
TIMEOUT_S = 120.0


def recount(url: str, served_name: str, prompt: Sequence[int], output_tokens: int, tokenizer: Path, key: str = "") -> float:
    """Tokens of one answer by the reference tokenizer over those that the server counts; 1 where they agree.

    Parameters
    ----------
    url : str
        Root of the server.
    served_name : str
    prompt : sequence of int
        Token ids.
    output_tokens : int
        Length of the answer that is asked for.
    tokenizer : Path
        Folder with ``tokenizer.json``.
    key : str
        Sent as a bearer token where it is not empty.

    Returns
    -------
    float
        NaN where the answer holds no text, as of a model whose tokens decode to nothing.

    Raises
    ------
    RunError
        If the server does not answer, or does not count.
    """
    body = {"model": served_name, "prompt": list(prompt), "max_tokens": output_tokens, "ignore_eos": True, "temperature": 0}
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request(f"{url}/v1/completions", json.dumps(body).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({})) if "://127.0.0.1" in url else urllib.request.build_opener()
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            found = json.loads(answer.read())
        counted, text = int(found["usage"]["completion_tokens"]), str(found["choices"][0]["text"])
    except urllib.error.HTTPError as error:
        said = error.read().decode("utf-8", "replace")[:300]
        error.close()
        raise RunError(f"the server refuses a request with status {error.code}: {said}", origin=url) from error
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise RunError(f"the server's answer cannot be counted: {error}", origin=url) from error
    again = len(load_tokenizer(tokenizer).encode(text, add_special_tokens=False).ids)
    return again / counted if counted and again else math.nan
