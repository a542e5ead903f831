"""Environments of tools: whole or not there; what fails says why. Packages come from a folder, not from a registry."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from frontier.errors import MachineError, RunError, UsageError
from frontier.tools import NAMES, distribution_version, find, install, recipe, recipes
from frontier.tools.environments import COMPLETE, home
from frontier.tools.recipes import RECIPES, Recipe

ROOT = Path(__file__).parents[2]


def wheel(folder: Path, name: str, version: str, source: str = "") -> None:
    """A wheel of one module, by hand (PEP 427)."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", source)
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A requirements folder with a tool of its own, ``demo``, that comes with ``extra`` to be taken out again."""
    folder = tmp_path / "requirements"
    folder.mkdir()
    wheel(folder, "demo", "1.5")
    wheel(folder, "extra", "0.1")
    (folder / "demo.txt").write_text(f"# pins\n--no-index\n--find-links {folder}\ndemo==1.5\nextra==0.1\n")
    demo = Recipe("demo", "", "demo.txt", "demo", "demo", report=("extra", "pip"), remove=("extra",), disk_gib=0.01)
    monkeypatch.setattr(recipes, "RECIPES", (*RECIPES, demo))
    return folder


def test_an_environment_is_made_once_and_found(tmp_path: Path, pins: Path) -> None:
    said: list[str] = []
    tools = tmp_path / "tools"
    with pytest.raises(MachineError, match=r"demo 1\.5 is not installed") as caught:
        find("demo", tools, requirements=pins)
    assert caught.value.hint == "frontier doctor --install demo"
    made = install("demo", tools, progress=said.append, requirements=pins)
    assert made.versions["demo"] == "1.5"
    assert "extra" not in made.versions  # taken out
    assert made.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert made == find("demo", tools, requirements=pins)
    done = subprocess.run([made.python, "-I", "-c", "import demo, sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(home(recipe("demo"), tools, pins))
    said.clear()
    assert install("demo", tools, progress=said.append, requirements=pins) == made
    assert len(said) == 1
    assert "already there" in said[0]

    # The same environment, pointed at; and one that lacks the tool.
    assert find("demo", tmp_path / "elsewhere", python=made.python, requirements=pins).versions == made.versions
    assert not find("demo", tmp_path / "elsewhere", python=made.python, requirements=pins).pinned
    with pytest.raises(MachineError, match="aiperf is not in the environment"):
        find("aiperf", tools, python=made.python)
    with pytest.raises(MachineError, match="no Python at"):
        find("demo", tools, python=tmp_path / "nothing")

    # Other pins are another place; without its record an environment is not whole, and the next installation makes it anew.
    (pins / "demo.txt").write_text((pins / "demo.txt").read_text() + "# changed\n")
    with pytest.raises(MachineError, match="is not installed"):
        find("demo", tools, requirements=pins)
    (pins / "demo.txt").write_text((pins / "demo.txt").read_text().replace("# changed\n", ""))
    place = home(recipe("demo"), tools, pins)
    (place / COMPLETE).unlink()
    (place / "rest").touch()
    with pytest.raises(MachineError, match="is incomplete"):
        find("demo", tools, requirements=pins)
    said.clear()
    install("demo", tools, progress=said.append, requirements=pins)
    assert not (place / "rest").exists()
    assert any("interrupted" in line for line in said)
    assert json.loads((place / COMPLETE).read_text())["digest"] == recipe("demo").digest(pins)


def test_what_pip_cannot_find_is_said_and_nothing_is_left_for_whole(tmp_path: Path, pins: Path) -> None:
    (pins / "demo.txt").write_text((pins / "demo.txt").read_text() + "nowhere-to-be-found==9\n")
    with pytest.raises(RunError, match="No matching distribution found for nowhere-to-be-found==9") as caught:
        install("demo", tmp_path / "tools", progress=lambda line: None, requirements=pins)
    assert "WARNING" not in caught.value.message
    assert "nowhere-to-be-found" in Path(caught.value.origin or "").read_text()
    with pytest.raises(MachineError, match="is incomplete"):
        find("demo", tmp_path / "tools", requirements=pins)


def test_what_cannot_be_imported_is_not_whole(tmp_path: Path, pins: Path) -> None:
    wheel(pins, "demo", "1.5", "import something_that_is_missing\n")
    with pytest.raises(RunError, match=r"first import: failed[\s\S]*something_that_is_missing"):
        install("demo", tmp_path / "tools", progress=lambda line: None, requirements=pins)
    with pytest.raises(MachineError, match="is incomplete"):
        find("demo", tmp_path / "tools", requirements=pins)


def test_two_installations_do_not_meet(tmp_path: Path, pins: Path) -> None:
    said: list[str] = []
    threads = [
        threading.Thread(target=install, args=("demo", tmp_path / "tools"), kwargs={"progress": said.append, "requirements": pins}) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("demo: new environment") == 1
    assert sum("already there" in line for line in said) == 1
    assert sum("ready after" in line for line in said) == 1


def test_no_room_on_the_disk(tmp_path: Path, pins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = Recipe("demo", "", "demo.txt", "demo", "demo", disk_gib=1e9)
    monkeypatch.setattr(recipes, "RECIPES", (huge,))
    with pytest.raises(MachineError, match=r"needs 2e\+09 GiB of disk"):
        install("demo", tmp_path / "tools", progress=lambda line: None, requirements=pins)


def test_the_registry() -> None:
    assert NAMES == ("vllm", "aiperf", "lm-eval", "modelopt")
    assert recipe("vllm", "cpu").version() == "0.32.0"
    assert recipe("vllm", "cuda").version() == "0.26.0"
    assert not recipe("vllm", "cuda").tried
    assert recipe("aiperf").version() == "0.13.0"
    with pytest.raises(UsageError) as caught:
        recipe("ollama")
    assert caught.value.hint == "one of: vllm, aiperf, lm-eval, modelopt"
    with pytest.raises(UsageError):
        recipe("vllm")


@pytest.mark.parametrize("each", RECIPES, ids=lambda each: each.requirements)
def test_every_pin_is_exact_and_portable(each: Recipe) -> None:
    lines = [line for line in each.file().read_text().splitlines() if not line.startswith("#")]
    assert lines == sorted(set(lines), key=str.lower)
    assert all(line.count("==") == 1 and "+" not in line and "@" not in line for line in lines), lines
    assert not {line.split("==")[0] for line in lines} & set(each.remove)


def test_a_version_is_asked_of_an_environment_without_importing_anything() -> None:
    assert distribution_version(Path(sys.executable), "pytest") == pytest.__version__
    assert distribution_version(Path(sys.executable), "no-such-distribution") == ""
    assert distribution_version(Path("/nowhere/python"), "pytest") == ""
