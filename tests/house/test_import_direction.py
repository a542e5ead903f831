"""A module imports from lower levels or its own folder only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

LIB = Path(__file__).parents[2] / "lib" / "frontier"
# Level of every module or folder directly under the package; a new one is placed here on purpose.
LEVELS = {
    "__init__": 0, "errors": 0, "units": 0,
    "catalog": 1, "records": 1, "pareto": 1, "attribution": 1, "integrity": 1, "processes": 1, "files": 1, "leases": 1, "tools": 1,
    "runtimes": 2, "schema": 2, "claim_schema": 2, "config": 2, "snapshots": 2, "shift_record": 2, "provenance": 2, "changelog": 2,
    "builds": 2, "calibration": 2, "checkpoints": 2, "drive": 2, "load": 2, "quality": 2, "serving": 2, "telemetry": 2,
    "evidence": 3, "findings": 3, "engines": 3, "images": 3, "store": 3,
    "attribute": 4, "shift": 4, "plan": 4, "report": 4, "progress": 4,
    "bounds": 4, "rulebook": 4, "contained": 5, "judged": 5, "places": 5, "claims": 5, "runner": 5, "session": 5, "timeline": 5,
    "bundle": 5, "srtctl": 5, "compare": 6, "rerun": 6,
    "cli": 7,
}  # fmt: skip
# Arrows within one level that are meant: (from, to).
SIDEWAYS = {
    ("config", "schema"),  # types and the loader that fills them
    ("engines", "evidence"),  # thin adapters over the evidence
    ("claims", "session"),  # predictions for a claim are runs
    ("session", "judged"),  # it gathers a run's points with their judgement
    ("places", "contained"),  # a job's worker runs in the container that a whole run would
    ("runner", "places"),  # a run on a cluster is handed over before its notebooks
    ("runner", "session"),  # which trials are left is the session's to say
    ("session", "places"),  # a notebook's session starts its trials in a place
    ("runner", "contained"),  # a run goes into its container
    ("rerun", "compare"),  # original and rerun on one page
    ("timeline", "session"),  # the notebook on shifts opens a run as the others do
}  # fmt: skip


def unit(path: Path) -> str:
    """The module or folder directly under the package that a file belongs to."""
    return path.relative_to(LIB).parts[0].removesuffix(".py")


def arrows(source: str) -> set[str]:
    """Units of the package that a source imports, at any depth of the code, type checking included."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "frontier" else [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("frontier.") and len(name.split(".")) > 1}
    return found - {"__version__"}


def wrong(importer: str, imported: str) -> bool:
    if importer == imported or (importer, imported) in SIDEWAYS:
        return False
    return LEVELS[imported] >= LEVELS[importer]


def test_every_unit_has_a_level() -> None:
    units = {unit(path) for path in LIB.rglob("*.py")}
    assert units == set(LEVELS), "place new modules in LEVELS, take removed ones out"


@pytest.mark.parametrize("path", sorted(LIB.rglob("*.py")), ids=lambda path: str(path.relative_to(LIB)))
def test_arrows_point_down(path: Path) -> None:
    bad = [target for target in arrows(path.read_text(encoding="utf-8")) if wrong(unit(path), target)]
    assert not bad, f"{path.relative_to(LIB)} (level {LEVELS[unit(path)]}) imports {bad}"


def test_the_walk_sees_a_wrong_arrow() -> None:
    assert wrong("pareto", "cli")
    assert arrows("def f():\n    from frontier.cli import main\nimport frontier.store\nfrom frontier import config") == {"cli", "store", "config"}


def test_every_sideways_arrow_is_used() -> None:
    used = {(unit(path), target) for path in LIB.rglob("*.py") for target in arrows(path.read_text(encoding="utf-8"))}
    assert used >= SIDEWAYS
