"""One finished run, made by its notebooks, and its bundle; tests only read them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from frontier.bundle import write_bundle
from frontier.runner import run_experiment

SMALL = ["lever=[hardware,disaggregation]", "sweep.replicates=1", "place.workers=1", "design.resamples=100", "report.formats=[svg]"]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the smoke experiment with two levers."""
    artifacts = tmp_path_factory.mktemp("bundled")
    return run_experiment("smoke", SMALL, artifacts_dir=artifacts, progress=False).run.path


@pytest.fixture(scope="session")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's bundle."""
    file = tmp_path_factory.mktemp("bundles") / "run.zip"
    write_bundle(run, file)
    return file


@pytest.fixture
def own_run(run: Path, tmp_path: Path) -> Path:
    """A copy of the run for one test to change."""
    return Path(shutil.copytree(run, tmp_path / "runs" / run.name))
