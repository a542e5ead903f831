"""GPUs and nodes that a job was given."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontier.errors import MachineError
from frontier.serving import check_devices, held_devices, node_names, nvml_indices


@pytest.mark.parametrize(
    ("wanted", "environ", "held"),
    [
        ("0,1", {}, "0,1"),
        ("0,1", {"CUDA_VISIBLE_DEVICES": "5, 2,7"}, "5,2"),
        ("2", {"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b,MIG-c"}, "MIG-c"),
    ],
)
def test_a_deployment_counts_within_what_the_job_holds(wanted: str, environ: dict[str, str], held: str) -> None:
    assert held_devices(wanted, environ) == held


@pytest.mark.parametrize("given", ["", "3", "3,4,5"])
def test_too_few_are_refused_with_both_counts(given: str) -> None:
    count = len([name for name in given.split(",") if name])
    with pytest.raises(MachineError, match=rf"needs 4 GPUs, CUDA_VISIBLE_DEVICES gives {count}"):
        held_devices("2,3", {"CUDA_VISIBLE_DEVICES": given})


def test_power_is_read_of_the_gpus_that_are_held() -> None:
    assert nvml_indices(2, {}) == (0, 1)
    assert nvml_indices(2, {"CUDA_VISIBLE_DEVICES": "6,3,1"}) == (6, 3)
    assert nvml_indices(1, {"CUDA_VISIBLE_DEVICES": "GPU-a"}) == (), "the driver's numbers are not known from an id"


def test_what_no_driver_answers_for_is_not_judged() -> None:
    check_devices(8, None, {})
    check_devices(8, 8, {})
    with pytest.raises(MachineError, match="needs 8 GPUs on this node, the driver sees 7"):
        check_devices(8, 7, {})


def test_nodes_are_those_of_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "scontrol"
    command.write_text('#!/bin/sh\n[ "$3" = "rack[1-3]" ] && printf "rack1\\nrack2\\nrack3\\n"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert node_names(2, {"SLURM_JOB_NODELIST": "rack[1-3]"}) == ("rack1", "rack2")
    with pytest.raises(MachineError, match="spans 4 nodes, the job has 3: rack1, rack2, rack3"):
        node_names(4, {"SLURM_JOB_NODELIST": "rack[1-3]"})
    with pytest.raises(MachineError, match="Slurm does not name the nodes of other"):
        node_names(1, {"SLURM_JOB_NODELIST": "other"})
    with pytest.raises(MachineError, match="there is no Slurm job here"):
        node_names(1, {})
