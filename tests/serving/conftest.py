"""The engine's environment, where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from frontier.errors import MachineError
from frontier.tools import find

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def vllm_python() -> Path:
    """The interpreter of a vLLM environment: the one named by FRONTIER_VLLM_PYTHON, else the kit's; skips without."""
    named = os.environ.get("FRONTIER_VLLM_PYTHON")
    try:
        return find("vllm", ROOT / "artifacts" / "cache" / "tools", python=Path(named) if named else None).python
    except MachineError as error:
        pytest.skip(f"no vLLM: {error.message}")
