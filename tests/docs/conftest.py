"""Real documents, made once: a small run on the fake engine and a shift between the examples."""

from __future__ import annotations

from typing import Any

import pytest
from doc_pages import ROOT

from frontier.config import compose
from frontier.files import read_json
from frontier.plan import make_plan, run_files
from frontier.records import read_points
from frontier.session import Session
from frontier.shift import account
from frontier.store import Store


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A finished run with a companion, without its notebooks and its report."""
    overrides = ["lever=[hardware,precision]", "engine@companion=fake", "companion_levers=[hardware]", "sweep.replicates=2", "place.workers=1"]
    cfg = compose("smoke", overrides)
    plan, store = make_plan(cfg), Store(tmp_path_factory.mktemp("artifacts"))
    session = Session(store.open_or_create(plan.name, plan.to_dict(), lambda: run_files(cfg)), cfg, plan, store)
    session.measure()
    session.attribute()
    session.run.write_manifest("complete", plan.digest)
    return session


@pytest.fixture(scope="session")
def documents(finished: Session) -> dict[str, Any]:
    """Schema -> a real document of that schema."""
    folder = finished.run.path
    trial = next((folder / "trials").iterdir()) / "trial.json"
    files = [folder / name for name in ("attribution.json", "plan.json", "manifest.json", "environment.json")]
    found = {document["schema"]: document for document in map(read_json, [*files, trial])}
    examples = ROOT / "docs" / "examples"
    shift = account(read_points(examples / "before.csv"), read_points(examples / "after.csv"), resamples=200)
    return found | {shift["schema"]: shift}
