"""Fixtures of the report's tests: run folders, made by a closed form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from report_documents import FULL_EXTRAS, make_config, make_pair, write_run

from frontier.report import write_report


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a run folder and returns it."""
    return partial(write_run, tmp_path)


@pytest.fixture(scope="session")
def full_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything a run can have, its report written; tests only read it."""
    document, points, companion_points = make_pair()
    config = make_config(document, formats=["png", "svg"])
    run = write_run(tmp_path_factory.mktemp("full"), document, points, config=config, companion_points=companion_points, extras=FULL_EXTRAS)
    write_report(run)
    return run
