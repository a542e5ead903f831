"""The environment record: enough to tell two machines apart, nothing that names people, hosts or folders."""

from __future__ import annotations

import getpass
import json
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from frontier import provenance
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


class Nvml:
    """Stands in for pynvml: one GPU whose driver does not tell the clock that applications are set to."""

    NVML_CLOCK_SM = 1

    class NVMLError(Exception):
        pass

    def nvmlDeviceGetApplicationsClock(self, *arguments: object) -> int:  # noqa: N802
        raise self.NVMLError

    def __getattr__(self, name: str) -> object:
        answers = {
            "nvmlInit": None, "nvmlShutdown": None, "nvmlSystemGetDriverVersion": "570.1", "nvmlDeviceGetCount": 1, "nvmlDeviceGetHandleByIndex": 0,
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=141 * 2**30), "nvmlDeviceGetName": "NVIDIA H200", "nvmlDeviceGetMaxClockInfo": 1980,
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
        }  # fmt: skip
        return lambda *arguments: answers[name]


def test_a_gpu_with_its_clock_and_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Nvml())
    assert provenance.gpus() == [{"name": "NVIDIA H200", "memory_gib": 141.0, "driver": "570.1", "sm_clock_mhz": 1980, "power_limit_w": 700.0}]
