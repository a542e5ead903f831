"""The RO-Crate community's own checker passes the bundles, offline; and it can fail."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundle_forging import CRATE, contents, edited, packed, with_images

from frontier.bundle import write_bundle
from frontier.errors import FrontierError
from frontier.tools import install, recipes
from frontier.tools.recipes import RECIPES, Recipe

HERE = Path(__file__).parent
TOOLS = HERE.parents[1] / "artifacts" / "cache" / "tools"
ROC = Recipe("roc-validator", "", "roc-validator.txt", "roc-validator", "rocrate_validator", report=("rocrate", "rdflib", "pyshacl"), disk_gib=0.1)
Validate = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def validate(tmp_path_factory: pytest.TempPathFactory) -> Validate:
    """A function that validates crates in the checker's own environment; the environment is made once, from PyPI."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "RECIPES", (*RECIPES, ROC))
        try:
            tool = install("roc-validator", TOOLS, progress=lambda line: None, requirements=HERE)
        except FrontierError as error:
            pytest.skip(f"roc-validator could not be installed: {error.message.splitlines()[-1]}")
    cache = tmp_path_factory.mktemp("roc") / "cache"

    def run(*crates: Path, profile: str = "workflow-run-crate", severity: str = "REQUIRED") -> list[dict[str, Any]]:
        command = [str(tool.python), "-I", str(HERE / "roc_check.py"), str(cache), severity, profile, *map(str, crates)]
        # Nothing answers on this proxy: whoever asks the network fails.
        nowhere = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "HTTP", "HTTPS")}
        done = subprocess.run(command, env={**os.environ, **nowhere}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        return found

    return run


@pytest.mark.parametrize("profile", ["workflow-run-crate", "process-run-crate", "workflow-ro-crate", "ro-crate-1.1"])
def test_a_bundle_meets_every_requirement(bundle: Path, validate: Validate, profile: str) -> None:
    found = validate(bundle, profile=profile)[0]
    assert found["issues"] == []
    assert found["passed"] is True
    assert found["checks"] >= 30


def test_a_bundle_with_container_images_meets_them_too(own_run: Path, tmp_path: Path, validate: Validate) -> None:
    with_images(own_run)
    write_bundle(own_run, tmp_path / "image.zip")
    found = validate(tmp_path / "image.zip")[0]
    assert (found["issues"], found["passed"]) == ([], True)


def test_what_is_recommended_and_not_met_is_known(bundle: Path, validate: Validate) -> None:
    """No person and no address of the software is stated, because a run records neither. Nothing else is left open."""
    issues = validate(bundle, severity="RECOMMENDED")[0]["issues"]
    assert {check for _, check, _, _ in issues} == {
        "process-run-crate-0.5_3.2",  # the application's URL
        "process-run-crate-0.5_5.1",  # the application's identifier as an absolute URI
        "process-run-crate-0.5_8.6",  # the agent, a person or an organization
        "ro-crate-1.1_22.2",  # the author
        "ro-crate-1.1_22.3",  # the publisher
        "workflow-ro-crate-1.0_8.1",  # Bioschemas' profile of the workflow
    }


def broken(bundle: Path, file: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """The bundle with its description changed; entities by identifier."""

    def change(crate: dict[str, Any]) -> None:
        entities = {entity["@id"]: entity for entity in crate["@graph"]}
        edit(entities)
        crate["@graph"] = list(entities.values())

    return packed({**contents(bundle), **edited(bundle, CRATE, change)}, file)


def test_it_can_fail(bundle: Path, tmp_path: Path, validate: Validate) -> None:
    files = [
        broken(bundle, tmp_path / "instrument.zip", lambda entities: entities["#run"].pop("instrument")),
        broken(bundle, tmp_path / "profile.zip", lambda entities: entities["./"].update(conformsTo=[])),
        broken(bundle, tmp_path / "language.zip", lambda entities: entities["config.yaml"].pop("programmingLanguage")),
        broken(bundle, tmp_path / "date.zip", lambda entities: entities["./"].pop("datePublished")),
        packed({name: data for name, data in contents(bundle).items() if name != "points.parquet"}, tmp_path / "missing.zip"),
    ]
    found = validate(*files)
    assert [one["passed"] for one in found] == [False] * len(files)
    said = [" ".join(issue[2] for issue in one["issues"]) for one in found]
    assert "MUST have an instrument" in said[0]
    assert "consistent with the versioned permalink" in said[1]
    assert "programmingLanguage" in said[2]
    assert "datePublished" in said[3]
    assert "points.parquet" in said[4]
