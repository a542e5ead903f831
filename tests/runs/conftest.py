"""Small experiments on the fake engine, and runs in processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from frontier.config import compose
from frontier.plan import make_plan, root, run_files
from frontier.schema import Config
from frontier.session import Session
from frontier.store import Store

CHILD = """
import sys
from pathlib import Path
from frontier.runner import run_experiment

if __name__ == "__main__":
    result = run_experiment(sys.argv[2], sys.argv[3:], artifacts_dir=Path(sys.argv[1]), progress=False)
    print(result.status, result.reused, result.run.run_id, flush=True)
"""


def small_config(*overrides: str) -> Config:
    """An experiment with two levers and one launch per variant; overrides win over these."""
    given = {override.split("=", 1)[0] for override in overrides}
    base = ["lever=[hardware,disaggregation]", "sweep.replicates=1", "place.workers=1"]
    return compose("smoke", [*(text for text in base if text.split("=", 1)[0] not in given), *overrides])


def open_session(cfg: Config, artifacts: Path) -> Session:
    plan, store = make_plan(cfg), Store(artifacts)
    return Session(store.open_or_create(plan.name, plan.to_dict(), lambda: run_files(cfg)), cfg, plan, store)


@pytest.fixture
def small() -> Callable[..., Config]:
    """An experiment with two levers and one launch per variant."""
    return small_config


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[Config], Session]:
    """A session on a new or continued run of a configuration under ``tmp_path``."""
    return lambda cfg: open_session(cfg, tmp_path)


@pytest.fixture(scope="session")
def measured_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifacts folder with one measured run; not to be changed."""
    artifacts = tmp_path_factory.mktemp("measured")
    open_session(small_config(), artifacts).measure()
    return artifacts


@pytest.fixture
def measured(measured_once: Path, tmp_path: Path) -> Session:
    """A measured run of its own for one test, under ``tmp_path``."""
    shutil.copytree(measured_once, tmp_path, dirs_exist_ok=True)
    return open_session(small_config(), tmp_path)


@pytest.fixture
def launch(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start ``run_experiment`` in a process of its own, with the artifacts folder and the overrides given."""
    script = tmp_path / "child.py"
    script.write_text(CHILD, encoding="utf-8")

    def start(artifacts: Path, *overrides: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(script), str(artifacts), "smoke", *overrides]
        return subprocess.Popen(command, cwd=root(), env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start
