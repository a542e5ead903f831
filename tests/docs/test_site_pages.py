"""The files for a site that the pages on Slurm show: they compose as they stand, and set what they show."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from frontier import config

ROOT = Path(__file__).parents[2]
PAGES = ("slurm_pyxis", "slurm_apptainer", "slurm_modules")


@pytest.mark.parametrize("page", PAGES)
def test_the_site_s_own_file_composes(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"), re.DOTALL)
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "conf" / "place" / "mysite.yaml").write_text(shown, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    place = config.compose("smoke", ["place=mysite"]).place
    wanted = {key: value for key, value in yaml.safe_load(shown).items() if key != "defaults"}
    assert wanted
    assert {key: getattr(place, key) for key in wanted} == wanted
    assert place.kind == "slurm"


def test_every_option_for_slurm_has_its_page() -> None:
    options = {path.stem for path in (ROOT / "conf" / "place").glob("slurm*.yaml")}
    assert options == {"slurm", *PAGES}
