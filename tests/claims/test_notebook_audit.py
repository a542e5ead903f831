"""Notebook 50 on the smoke experiment, executed as a user would, and what it calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from frontier import session
from frontier.claims import audit_run, claim_names
from frontier.plan import root
from frontier.report.audit import fig_parts
from frontier.runner import execute_notebook
from frontier.session import Session


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The smoke run, measured and attributed."""
    found = session.start_run("smoke", ["place.workers=1"], str(tmp_path_factory.mktemp("artifacts")))
    found.measure()
    found.attribute()
    return found


def test_the_runs_own_claim_against_its_own_points(run: Session) -> None:
    audit = audit_run(run)
    # The fake engine's effects multiply to 3.75, which is the claim.
    assert audit.own["headline"]["mean"]["value"] == pytest.approx(3.75, rel=0.05)
    assert audit.own["verdict"]["state"] in ("supported", "supported_in_range")
    assert audit.own["headline"]["evidence"] == "simulated"
    parts = {part["name"]: part["ratio"] for part in audit.own["parts"]["factors"]}
    assert parts["package"] == 2.0
    assert parts["package"] * parts["hardware_per_die"] == pytest.approx(2.0, rel=0.05)
    assert parts["precision"] == pytest.approx(1.5, rel=0.05)
    assert audit.verdict()["claimed"].iloc[0].startswith("3.75")
    assert "Which model." not in audit.unsaid()
    assert "simulated" in audit.verdict()["evidence"].iloc[0]


def test_a_claim_that_was_not_split_still_has_a_figure(run: Session) -> None:
    entry = {**audit_run(run).own, "parts": None}
    assert fig_parts(entry).get_size_inches()[1] < 2


def test_the_notebook_runs_top_to_bottom(run: Session, tmp_path: Path) -> None:
    parameters = {"experiment": "smoke", "overrides": ["place.workers=1"], "artifacts_dir": run.cfg.paths.artifacts_dir, "run_id": ""}
    output = tmp_path / "50_audit_claim.ipynb"
    execute_notebook(root() / "notebooks" / "50_audit_claim.ipynb", parameters, output)
    cells = [cell for cell in json.loads(output.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    steps = [cell for cell in cells if not {"parameters", "injected-parameters"} & set(cell["metadata"].get("tags", []))]
    for cell in steps:
        assert [out["output_type"] for out in cell["outputs"]] == ["execute_result"], cell["source"]
    text = json.dumps([out["data"].get("text/plain", "") for cell in steps for out in cell["outputs"]])
    assert str(run.cfg.paths.artifacts_dir) not in text
    (folder,) = [path for path in (Path(run.cfg.paths.artifacts_dir) / "audits").iterdir() if path.name != "evidence"]
    assert {path.name for path in folder.glob("card-*.html")} == {f"card-{name}.html" for name in ["smoke", *claim_names()]}
