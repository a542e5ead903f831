"""The tools' snippets, and changed copies of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SNIPPETS = Path(__file__).parent / "snippets"
SAMPLES = Path(__file__).parents[2].parent / "shared" / "reference" / "trtllm" / "samples"


def changed(name: str, to: Path, *, without: tuple[str, ...] = (), **values: Any) -> Path:
    """A copy of a JSON snippet with some keys set or removed."""
    document: Mapping[str, Any] = json.loads((SNIPPETS / name).read_text())
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps({key: value for key, value in {**document, **values}.items() if key not in without}))
    return to
