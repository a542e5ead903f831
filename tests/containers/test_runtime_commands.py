"""Command lines of the four runtimes, written by hand from their manuals; what they refuse; what they leave of this process's environment."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from frontier.errors import ConfigError, MachineError
from frontier.runtimes import RUNTIMES, ContainerJob, Mount, get_runtime
from frontier.runtimes.docker import Docker
from frontier.runtimes.engine import START
from frontier.runtimes.podman import Podman

ID = "sha256:" + "ab" * 32
PLAIN = ContainerJob(ID, ("frontier", "--version"), "/opt/frontier-kit")
FULL = ContainerJob(
    image=ID,
    command=("frontier", "run", "experiment=/artifacts/a b.yaml"),
    workdir="/opt/frontier-kit",
    mounts=(Mount(Path("/srv/models"), "/models"), Mount(Path("/srv/runs"), "/artifacts", writable=True)),
    environment={"HOME": "/tmp", "A": "x,y z"},
    secrets=("HF_TOKEN",),
    gpus="0,2",
    network=True,
    memory_gib=2.5,
    tmpfs=("/tmp", "/scratch"),
    shm_gib=4.0,
)

# fmt: off
PODMAN_PLAIN = [
    "podman", "run", "--rm", "--pull=never", "--log-driver=none", "--read-only", "--http-proxy=false",
    "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none", "--userns=keep-id", "--user=1000:100",
    "--workdir=/opt/frontier-kit", "--shm-size=1073741824b",
    "--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777",
    "--entrypoint=", ID, "/bin/sh", "-c", START, "sh", "--", "frontier", "--version",
]
PODMAN_FULL = [
    "podman", "run", "--rm", "--pull=never", "--log-driver=none", "--read-only", "--http-proxy=false",
    "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host", "--userns=keep-id", "--user=1000:100",
    "--workdir=/opt/frontier-kit", "--shm-size=4294967296b", "--memory=2684354560b",
    "--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=2",
    "--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777", "--tmpfs=/scratch:rw,exec,nosuid,nodev,mode=1777",
    "--mount=type=bind,source=/srv/models,target=/models,readonly", "--mount=type=bind,source=/srv/runs,target=/artifacts",
    "--env=A=x,y z", "--env=HOME=/tmp", "--interactive", "--entrypoint=", ID,
    "/bin/sh", "-c", START, "sh", "HF_TOKEN", "--", "frontier", "run", "experiment=/artifacts/a b.yaml",
]
DOCKER_PLAIN = [
    "docker", "run", "--rm", "--pull=never", "--log-driver=none", "--read-only",
    "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none", "--user=1000:100",
    "--workdir=/opt/frontier-kit", "--shm-size=1073741824b",
    "--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777",
    "--entrypoint=", ID, "/bin/sh", "-c", START, "sh", "--", "frontier", "--version",
]
DOCKER_FULL = [
    "docker", "run", "--rm", "--pull=never", "--log-driver=none", "--read-only",
    "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host", "--user=1000:100",
    "--workdir=/opt/frontier-kit", "--shm-size=4294967296b", "--memory=2684354560b",
    '--gpus="device=0,2"',
    "--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777", "--tmpfs=/scratch:rw,exec,nosuid,nodev,mode=1777",
    "--mount=type=bind,source=/srv/models,target=/models,readonly", "--mount=type=bind,source=/srv/runs,target=/artifacts",
    "--env=A=x,y z", "--env=HOME=/tmp", "--interactive", "--entrypoint=", ID,
    "/bin/sh", "-c", START, "sh", "HF_TOKEN", "--", "frontier", "run", "experiment=/artifacts/a b.yaml",
]
APPTAINER_PLAIN = [
    "apptainer", "exec", "--containall", "--no-home", "--no-eval", "--no-privs", "--pwd=/opt/frontier-kit", "--net", "--network=none",
    "oci-archive:kit.tar", "/usr/bin/env", "frontier", "--version",
]
APPTAINER_FULL = [
    "apptainer", "exec", "--containall", "--no-home", "--no-eval", "--no-privs", "--pwd=/opt/frontier-kit",
    "--memory=2684354560", "--nv", "--scratch=/scratch",
    "--mount=type=bind,source=/srv/models,destination=/models,ro", "--mount=type=bind,source=/srv/runs,destination=/artifacts",
    "oci-archive:kit.tar", "/usr/bin/env", "A=x,y z", "HOME=/tmp", "CUDA_VISIBLE_DEVICES=0,2",
    "frontier", "run", "experiment=/artifacts/a b.yaml",
]
PYXIS_PLAIN = [
    "srun", "--nodes=1", "--ntasks=1", "--export=NVIDIA_VISIBLE_DEVICES", "--container-image=/srv/kit.sqsh",
    "--container-mounts=tmpfs:/tmp:mode=1777", "--container-workdir=/opt/frontier-kit",
    "--container-readonly", "--no-container-mount-home", "--no-container-remap-root", "--no-container-entrypoint",
    "--container-env=NVIDIA_VISIBLE_DEVICES", "--container-unshare=net",
    "/usr/bin/env", "frontier", "--version",
]
PYXIS_FULL = [
    "srun", "--nodes=1", "--ntasks=1", "--export=NVIDIA_VISIBLE_DEVICES,HF_TOKEN", "--mem=2560M", "--container-image=/srv/kit.sqsh",
    "--container-mounts=tmpfs:/tmp:mode=1777,tmpfs:/scratch:mode=1777,/srv/models:/models:ro,/srv/runs:/artifacts:rw",
    "--container-workdir=/opt/frontier-kit",
    "--container-readonly", "--no-container-mount-home", "--no-container-remap-root", "--no-container-entrypoint",
    "--container-env=NVIDIA_VISIBLE_DEVICES,HF_TOKEN",
    "/usr/bin/env", "A=x,y z", "HOME=/tmp", "frontier", "run", "experiment=/artifacts/a b.yaml",
]
# fmt: on


@pytest.mark.parametrize(
    ("runtime", "plain", "full"),
    [(Podman(1000, 100), PODMAN_PLAIN, PODMAN_FULL), (Docker(1000, 100), DOCKER_PLAIN, DOCKER_FULL)],
    ids=["podman", "docker"],
)
def test_engines(runtime: Podman | Docker, plain: list[str], full: list[str]) -> None:
    assert runtime.command(PLAIN) == plain
    assert runtime.command(FULL) == full


def test_apptainer() -> None:
    runtime = get_runtime("apptainer")
    assert runtime.command(dataclasses.replace(PLAIN, image="oci-archive:kit.tar")) == APPTAINER_PLAIN
    assert runtime.command(dataclasses.replace(FULL, image="oci-archive:kit.tar")) == APPTAINER_FULL


def test_pyxis() -> None:
    runtime = get_runtime("pyxis")
    assert runtime.command(dataclasses.replace(PLAIN, image="/srv/kit.sqsh")) == PYXIS_PLAIN
    assert runtime.command(dataclasses.replace(FULL, image="/srv/kit.sqsh")) == PYXIS_FULL


def test_root_needs_no_user_namespace_in_podman() -> None:
    words = Podman(0, 0).command(PLAIN)
    assert "--user=0:0" in words
    assert not [word for word in words if word.startswith("--userns")]


def test_all_gpus() -> None:
    job = dataclasses.replace(PLAIN, gpus="all")
    assert "--device=nvidia.com/gpu=all" in Podman(0, 0).command(job)
    assert "--gpus=all" in Docker(0, 0).command(job)
    words = get_runtime("apptainer").command(job)
    assert "--nv" in words
    assert not [word for word in words if "CUDA_VISIBLE_DEVICES" in word]
    assert get_runtime("pyxis").process_environment(job) == {"NVIDIA_VISIBLE_DEVICES": "all"}


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_secret_stands_on_no_command_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf-very-secret")
    runtime = get_runtime(name)
    assert "hf-very-secret" not in " ".join(runtime.command(FULL))
    # podman and docker would write a variable into the container's configuration on disk: it comes in through standard input.
    handed = {"podman": ({}, "hf-very-secret\n"), "docker": ({}, "hf-very-secret\n")}
    handed["apptainer"] = ({"APPTAINERENV_HF_TOKEN": "hf-very-secret"}, "")
    handed["pyxis"] = ({"NVIDIA_VISIBLE_DEVICES": "0,2", "HF_TOKEN": "hf-very-secret"}, "")
    assert (runtime.process_environment(FULL), runtime.standard_input(FULL)) == handed[name]


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_secret_that_is_not_set_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    runtime = get_runtime(name)
    with pytest.raises(MachineError, match="HF_TOKEN"):
        (runtime.process_environment(FULL), runtime.standard_input(FULL))


def test_a_secret_of_two_lines_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "first\nsecond")
    with pytest.raises(MachineError, match="one line: HF_TOKEN") as caught:
        Podman(0, 0).standard_input(FULL)
    assert "second" not in str(caught.value)


def test_settings_of_the_caller_do_not_come_along(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("APPTAINER_BIND", "APPTAINERENV_LEAK", "SINGULARITYENV_LEAK", "APPTAINER_CACHEDIR", "PYXIS_CONTAINER_MOUNTS"):
        monkeypatch.setenv(name, "/host")
    apptainer, pyxis = get_runtime("apptainer").calling_environment(PLAIN), get_runtime("pyxis").calling_environment(PLAIN)
    assert not {"APPTAINER_BIND", "APPTAINERENV_LEAK", "SINGULARITYENV_LEAK"} & set(apptainer)
    assert apptainer["APPTAINER_CACHEDIR"] == "/host"
    assert "PYXIS_CONTAINER_MOUNTS" not in pyxis
    assert "PATH" in pyxis


# What each runtime's mount syntax takes as a separator and cannot quote.
REFUSED = {"podman": ',"', "docker": ',"', "apptainer": ',"', "pyxis": ' ,:"\\'}


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("character", list(' ,:"\\'))
def test_odd_paths_are_refused_or_pass_whole(name: str, character: str) -> None:
    runtime = get_runtime(name)
    jobs = [
        dataclasses.replace(PLAIN, mounts=(Mount(Path(f"/srv/a{character}b"), "/models"),)),
        dataclasses.replace(PLAIN, mounts=(Mount(Path("/srv/ab"), f"/models/a{character}b"),)),
    ]
    for job in jobs:
        if character in REFUSED[name]:
            with pytest.raises(ConfigError, match=f"{name} cannot mount a path"):
                runtime.command(job)
        else:
            # One word of the argument list: no shell sees it, and the runtime splits --mount at commas only.
            assert len([word for word in runtime.command(job) if word.startswith("--mount=") and f"a{character}b" in word]) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": ""}, "image"),
        ({"image": "--privileged"}, "image"),
        ({"command": ()}, "command"),
        ({"workdir": "opt"}, "workdir"),
        ({"workdir": "/opt/../etc"}, "workdir"),
        ({"tmpfs": ("/",)}, "tmpfs"),
        ({"environment": {"A B": "x"}}, "variable's name"),
        ({"secrets": ("A=b",)}, "variable's name"),
        ({"environment": {"A": "x"}, "secrets": ("A",)}, "secret: A"),
        ({"environment": {"A": "x\0"}}, "NUL"),
        ({"gpus": "0, 1"}, "gpus"),
        ({"gpus": "--all"}, "gpus"),
        ({"memory_gib": -1.0}, "memory_gib"),
        ({"memory_gib": float("nan")}, "memory_gib"),
        ({"shm_gib": 0.0}, "shm_gib"),
        ({"mounts": (Mount(Path("/a"), "/x"), Mount(Path("/b"), "/x"))}, "twice in the container: /x"),
        ({"mounts": (Mount(Path("/a"), "/tmp"),)}, "twice in the container: /tmp"),
    ],
)
def test_jobs_that_break_a_rule(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(PLAIN, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(("source", "target"), [("rel", "/x"), ("/a", "x"), ("/a", "/"), ("/a", "/x/../y"), ("/a\n", "/x"), ("/a", "/x\n")])
def test_mounts_that_break_a_rule(source: str, target: str) -> None:
    with pytest.raises(ConfigError, match="a mount's"):
        Mount(Path(source), target)


def test_unknown_runtimes_are_refused_with_the_list() -> None:
    with pytest.raises(ConfigError, match=r"'lxc'[\s\S]*podman, docker, apptainer, pyxis"):
        get_runtime("lxc")


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [get_runtime(name).missing() for name in RUNTIMES] == [f"{name} is not on the path" for name in ("podman", "docker", "apptainer", "srun")]


def program(folder: Path, name: str, text: str, code: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\ncat <<'E'\n{text}\nE\nexit {code}\n", encoding="utf-8")
    file.chmod(0o755)


def test_ids_come_with_their_algorithm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program(tmp_path, "podman", "ab" * 32)  # podman prints the bare digest
    program(tmp_path, "docker", f'{{"Id": "{ID}"}}')
    assert Podman(0, 0).image_id("kit") == ID
    assert Docker(0, 0).image_id("kit") == ID
    program(tmp_path, "podman", "kit: image not known", 125)
    with pytest.raises(MachineError, match="podman has no image kit: kit: image not known"):
        Podman(0, 0).image_id("kit")


def test_docker_with_containerds_store_cannot_name_an_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program(tmp_path, "docker", f'{{"Id": "{ID}", "Descriptor": {{"digest": "{ID}"}}}}')
    with pytest.raises(MachineError, match="manifest's digest"):
        Docker(0, 0).image_id("kit")


def test_slurm_without_pyxis_is_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program(tmp_path, "srun", "Usage: srun [OPTIONS...]")
    assert "no pyxis" in get_runtime("pyxis").missing()
    program(tmp_path, "srun", "      --container-image=[USER@][REGISTRY#]IMAGE[:TAG]|PATH")
    assert get_runtime("pyxis").missing() == ""
