"""The environment record: enough to tell two machines apart, nothing that names people, hosts or folders."""

from __future__ import annotations

import getpass
import json
import socket
from pathlib import Path

import pytest

from frontier.errors import MachineError
from frontier.provenance import environment, git_state, package_sha256, sha256_files, wheel_sha256


def test_the_record_names_no_user_host_or_folder(tmp_path: Path) -> None:
    text = json.dumps(environment(tmp_path, ["aiconfigurator-core"]))
    for secret in (str(Path.cwd()), str(Path.home()) + "/", str(tmp_path), f'"{socket.gethostname()}"', f'"{getpass.getuser()}"'):
        assert secret not in text


def test_the_record_pins_what_decides_results(tmp_path: Path) -> None:
    record = environment(tmp_path, ["aiconfigurator-core"])
    assert record["wheels"]["aiconfigurator-core"]["sha256"] == wheel_sha256("aiconfigurator-core")
    assert record["packages"]["numpy"]
    assert record["kit"]["source_sha256"] == package_sha256("frontier")
    assert record == environment(tmp_path, ["aiconfigurator-core"])


def test_outside_a_clone_there_is_no_commit(tmp_path: Path) -> None:
    assert git_state(tmp_path) == {"commit": None, "dirty": None}


def test_hashes_depend_on_names_and_contents_only(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("x", "y"):
            (tmp_path / folder / name).write_text(name)
    one = sha256_files([tmp_path / "a" / "x", tmp_path / "a" / "y"], tmp_path / "a")
    other = sha256_files([tmp_path / "b" / "y", tmp_path / "b" / "x"], tmp_path / "b")
    assert one == other
    (tmp_path / "b" / "x").rename(tmp_path / "b" / "z")
    assert sha256_files((tmp_path / "b").iterdir(), tmp_path / "b") != one


def test_a_missing_wheel_is_named() -> None:
    with pytest.raises(MachineError, match="no-such-wheel is not installed"):
        wheel_sha256("no-such-wheel")
