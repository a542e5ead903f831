"""A real image of the kit: built twice from Debian's packages, run without a network on a read-only root, carried through an archive."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from podman_for_tests import Store

from frontier import images
from frontier.runtimes import ContainerJob, Mount, Runtime, archive_image_id, get_runtime, run_job

ROOT = Path(__file__).resolve().parents[2]
KIT = "/opt/frontier-kit"
HOME = {"HOME": "/tmp", "MPLCONFIGDIR": "/tmp/matplotlib"}
DATE = "2026-01-02T03:04:05+00:00"
LIMIT_S = 300
IN_JOBS = ["runtime=podman", "place=slurm", "place.per=block", "place.cpus_per_task=1", "place.time_min=5", "place.notice_s=5"]
SEARCH = r"""
find / -xdev \( -name pip.conf -o -name .pypirc -o -name .netrc -o -name '*.whl' -o -path /root/.cache \) ! -path '*/python-wheels/*' 2>/dev/null
ls -A /root /run/secrets
cat /etc/apt/sources.list
find /opt -newermt '2026-01-02T03:04:06Z'
"""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class KitImage:
    """The kit's image as the tests of this file share it.

    Attributes
    ----------
    runtime : str
        Its name, for ``get_runtime``.
    image_id, reference : str
        ``sha256:...``; local name.
    environment : mapping of str to str
        Variables that a process needs to see the image; set in this process while the file's tests run.
    clone : Path
        The clone that the image was made from: this working tree, committed.
    record : dict
        ``frontier.image/1``.
    """

    runtime: str
    image_id: str
    reference: str
    environment: Mapping[str, str]
    clone: Path
    record: dict[str, Any]

    @property
    def adapter(self) -> Runtime:
        return get_runtime(self.runtime)

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the image with nothing but a home in memory, unless ``options`` (of ContainerJob) say more."""
        environment = {**HOME, **options.pop("environment", {})}
        return run_job(self.adapter, ContainerJob(self.image_id, command, KIT, environment=environment, **options), timeout_s=LIMIT_S)


def committed(folder: Path) -> Path:
    """A clone whose only commit holds this working tree, dated the same every time."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "-co", "--exclude-standard"], capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in (("NAME", "t"), ("EMAIL", "t@t"), ("DATE", DATE))}
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "as it is", "--no-gpg-sign"]):
        subprocess.run(["git", "-C", str(folder), *words], env={**os.environ, **who}, check=True)
    return folder


def wheelhouse(folder: Path) -> Path:
    """A wheel for every pin, as an air-gapped site would bring along."""
    pins = ROOT / "requirements" / "base.lock"
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), "-r", str(pins)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no wheels of the pins: {done.stderr.strip()[-300:]}")
    return folder


@pytest.fixture(scope="module")
def kit_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KitImage]:
    """The kit's image, built twice offline on a base from Debian's packages, in a store of its own."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the wheels are made by this Python, and Debian's is 3.11")
    folder = tmp_path_factory.mktemp("containers")
    # Not below pytest's folder: it is renamed and removed by later sessions, mounts or not, and its paths are long for a socket's.
    place = Path(tempfile.mkdtemp(prefix="fk-"))
    store = Store(place / "s")
    store.make()
    reason = store.unusable()
    if reason:
        shutil.rmtree(place, ignore_errors=True)
        pytest.skip(f"podman cannot run here: {reason}")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store.environment.items():
            patch.setenv(name, value)
        try:
            clone = committed(folder / "clone")
            wish = images.Wish(base="bootstrap", wheels=wheelhouse(folder / "wheels"), twice=True)
            record = images.build("kit", clone, wish)
            yield KitImage("podman", record["image_id"], record["reference"], store.environment, clone, record)
        finally:
            store.reset()
            shutil.rmtree(place, ignore_errors=True)


def test_two_builds_of_a_commit_are_the_same_image(kit_image: KitImage) -> None:
    assert kit_image.record["twice"]["same"], kit_image.record["twice"]
    assert kit_image.adapter.image_id(kit_image.reference) == kit_image.image_id == kit_image.adapter.image_id(kit_image.reference + "-again")
    assert kit_image.adapter.image_id("localhost/frontier-kit") == kit_image.image_id
    assert json.loads(images.record_path(kit_image.clone, "kit").read_text(encoding="utf-8")) == kit_image.record
    assert [finding.state for finding in images.verify(kit_image.clone, ["kit"])] == ["same", "same"]


def test_nothing_of_the_building_machine_is_in_the_image(kit_image: KitImage) -> None:
    looked = subprocess.run(["podman", "image", "inspect", kit_image.image_id], capture_output=True, text=True, check=True).stdout
    document = json.loads(looked)[0]
    said = json.dumps([document["Config"], document["History"]])
    machine = (str(kit_image.clone.parent), socket.gethostname())
    for text in ("index-url", "index_url", "http://", "https://", "proxy", "io.buildah", *machine):
        assert text not in said, text
    assert f"FRONTIER_KIT_COMMIT={kit_image.record['kit_commit']}" in document["Config"]["Env"]
    assert document["Created"].startswith("2026-01-02T03:04:05")
    found = kit_image.run("sh", "-c", SEARCH)
    # The base's own files; no cache, no settings, and nothing dated after the commit.
    expected = ["/root:", ".bashrc", ".profile", "", "/run/secrets:", "deb http://deb.debian.org/debian bookworm main"]
    assert (found.stdout.splitlines(), found.stderr) == (expected, "")


def test_the_kit_starts_without_network_on_a_read_only_root(kit_image: KitImage) -> None:
    done = kit_image.run("frontier", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "0.1.0\n", "")


def test_only_what_is_mounted_writable_can_be_written(kit_image: KitImage, tmp_path: Path) -> None:
    readable, writable = tmp_path / "read a:b", tmp_path / "write"
    for folder in (readable, writable):
        folder.mkdir()
        (folder / "given").write_text("here\n", encoding="utf-8")
    mounts = (Mount(readable, "/readable"), Mount(writable, "/writable", writable=True))
    script = "cat /readable/given /writable/given; for f in /x /opt/x /etc/x /readable/x /writable/x /tmp/x; do touch $f 2>/dev/null && echo $f; done"
    done = kit_image.run("sh", "-c", script, mounts=mounts)
    assert done.stdout.split() == ["here", "here", "/writable/x", "/tmp/x"]
    assert not (readable / "x").exists()
    made = (writable / "x").stat()
    assert (made.st_uid, made.st_gid) == (os.getuid(), os.getgid())


def test_no_network_is_reachable(kit_image: KitImage) -> None:
    reach = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5); print('reached')"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        alone = kit_image.run("python", "-c", reach, port)
        shared = kit_image.run("python", "-c", reach, port, network=True)
    assert alone.returncode != 0
    assert "refused" in alone.stderr
    assert shared.stdout == "reached\n"  # the same question with the machine's network, so that the refusal means something
    interfaces = kit_image.run("sh", "-c", "ls /sys/class/net")
    assert interfaces.stdout.split() == ["lo"]


def test_nothing_is_inherited_and_a_secret_leaves_no_trace(kit_image: KitImage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_NeverOnDisk$' \"x")
    monkeypatch.setenv("LEAK", "of the caller")
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:1")
    job = ContainerJob(kit_image.image_id, ("sh", "-c", "env; sleep 60"), KIT, environment={"A": "b c"}, secrets=("HF_TOKEN",))
    adapter = kit_image.adapter
    process = subprocess.Popen(
        adapter.command(job), env=adapter.calling_environment(job), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(adapter.standard_input(job))
        process.stdin.close()
        seen = {}
        while "HF_TOKEN" not in seen or "A" not in seen:
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            name, _, value = line.rstrip("\n").partition("=")
            seen[name] = value
        running = subprocess.run(["podman", "ps", "--quiet", "--no-trunc"], capture_output=True, text=True, check=True).stdout.split()
        assert len(running) == 1
        looked = subprocess.run(["podman", "inspect", running[0]], capture_output=True, text=True, check=True).stdout
        store = Path(kit_image.environment["CONTAINERS_STORAGE_CONF"]).parent
        kept = [file for file in store.rglob("*") if "userdata" in file.parts or file.suffix == ".db" or file.name == "containers.json"]
        traces = [file for file in kept if file.is_file() and b"hf_NeverOnDisk" in file.read_bytes()]
    finally:
        subprocess.run(["podman", "kill", "--all"], capture_output=True, check=False)
        process.wait(timeout=30)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    assert seen["HF_TOKEN"] == "hf_NeverOnDisk$' \"x"
    assert seen["A"] == "b c"
    assert "hf_NeverOnDisk" not in looked
    assert "/opt/frontier-kit" in looked  # it is this container that was looked at
    assert kept
    assert not traces
    inside = kit_image.run("env").stdout
    assert "LEAK" not in inside
    assert "proxy" not in inside
    assert "HF_TOKEN" not in inside


def test_a_secret_that_does_not_arrive_ends_the_container(kit_image: KitImage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "x")
    job = ContainerJob(kit_image.image_id, ("echo", "started"), KIT, secrets=("HF_TOKEN",))
    done = subprocess.run(kit_image.adapter.command(job), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "the secret HF_TOKEN did not arrive\n")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT], ids=lambda sent: sent.name)
def test_a_container_ends_with_the_process_that_started_it(kit_image: KitImage, sent: signal.Signals) -> None:
    """Python and sleep have no handler for SIGTERM: as the first process of a container they would not notice it."""
    job = ContainerJob(kit_image.image_id, ("python", "-c", "import time; print('up', flush=True); time.sleep(120)"), KIT)
    process = subprocess.Popen(kit_image.adapter.command(job), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(sent)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert subprocess.run(["podman", "ps", "--quiet"], capture_output=True, text=True, check=True).stdout == ""


def test_exit_codes_and_words_pass_whole(kit_image: KitImage) -> None:
    words = ("a b", "", "$HOME", "--", "*", "'\"")
    done = kit_image.run("python", "-c", "import sys, signal; print(sys.argv[1:], signal.getsignal(2).__name__); sys.exit(5)", *words)
    assert (done.returncode, done.stdout) == (5, f"{list(words)} default_int_handler\n")


def frontier(kit_image: KitImage, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the clone's own kit on the host."""
    command = [str(Path(sys.executable).parent / "frontier"), *words]
    source = {**os.environ, "PYTHONPATH": str(kit_image.clone / "lib")}
    return subprocess.run(command, cwd=kit_image.clone, capture_output=True, text=True, check=False, env=source)


def test_a_run_in_the_image_is_rerun_there_and_on_the_host(kit_image: KitImage, tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    small = ["lever=[precision]", "design.resamples=100", "sweep.replicates=2"]
    places = [f"paths.artifacts_dir={artifacts}", f"paths.cache_dir={tmp_path / 'cache'}"]
    image = ["runtime=podman"]  # the newest image of the kit that was built here
    done = frontier(kit_image, "run", "experiment=smoke", *small, *places, *image, "--quiet", "--json")
    assert done.returncode == 0, done.stderr
    run = Path(json.loads(done.stdout)["path"])
    assert (run / "report.html").stat().st_uid == os.getuid()
    environment = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    assert environment["container"] == {"runtime": "podman", "image": "localhost/frontier-kit", "image_id": kit_image.image_id}
    assert environment["kit"]["commit"] == kit_image.record["kit_commit"]
    words = ["rerun", "smoke", "--artifacts", str(artifacts), "--quiet", "--json", *places[1:]]
    there = frontier(kit_image, *words)
    assert there.returncode == 0, there.stderr
    document = json.loads(there.stdout)
    assert (document["verdict"], document["level"], document["identical"]["differences"]) == ("reproduced", "same machine and image", [])
    assert document["rerun"]["image_id"] == kit_image.image_id
    assert document["environment"] == []
    # Debian's Python is built by another compiler than the host's may be: sums of equal points can differ in the last digit.
    here = frontier(kit_image, *words, "--runtime", "host")
    assert here.returncode == 0, here.stdout + here.stderr
    document = json.loads(here.stdout)
    assert (document["verdict"], document["level"], document["rerun"]["image_id"]) == ("reproduced", "other image", None)
    assert document["identical"]["points"]
    assert "image ID" in {row["fact"] for row in document["environment"]}


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A Slurm on this machine; the commands of this process talk to it."""
    sys.path.append(str(ROOT / "tests" / "slurm"))
    try:
        import one_box_slurm as box
    finally:
        sys.path.remove(str(ROOT / "tests" / "slurm"))
    reason = box.install()
    if reason:
        pytest.skip(f"no Slurm on this machine: {reason}")
    with box.running() as started:
        yield started


def containers() -> list[str]:
    """Ids of all containers, also of those that have ended."""
    return subprocess.run(["podman", "ps", "--all", "--quiet"], capture_output=True, text=True, check=True).stdout.split()


def test_jobs_of_a_cluster_run_in_the_image(kit_image: KitImage, cluster: Any, tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    words = ["experiment=smoke", "lever=[precision]", "design.resamples=100", "sweep.replicates=2", *IN_JOBS]
    folders = [f"paths.artifacts_dir={artifacts}", f"paths.cache_dir={tmp_path / 'cache'}"]
    done = frontier(kit_image, "run", *words, *folders, "--quiet", "--json")
    assert done.returncode == 0, done.stderr
    run = Path(json.loads(done.stdout)["path"])
    cluster.wait_for("all records", lambda: len(list(run.glob("trials/*/trial.json"))) == 4)
    records = [json.loads(file.read_text(encoding="utf-8")) for file in run.glob("trials/*/trial.json")]
    assert [record["status"] for record in records] == ["done"] * 4, records
    said = {"runtime": "podman", "image": "localhost/frontier-kit", "image_id": kit_image.image_id}
    assert [record["placement"]["container"] for record in records] == [said] * 4
    assert {record["placement"]["node"] for record in records} <= {"127.0.0.2", "127.0.0.3"}
    cluster.wait_for("the end of the containers", lambda: containers() == [], limit_s=30)
    collected = frontier(kit_image, "run", *words, *folders, "--quiet", "--json")
    assert (json.loads(collected.stdout)["status"], json.loads(collected.stdout)["path"]) == ("complete", str(run)), collected.stderr


@pytest.mark.parametrize("how", ["frontier cancel", "SIGKILL"])
def test_no_container_outlives_its_job(kit_image: KitImage, cluster: Any, tmp_path: Path, how: str) -> None:
    words = ["experiment=smoke", "lever=[precision]", "design.resamples=100", "sweep.replicates=1", "engine.delay_s=300", *IN_JOBS]
    folders = [f"paths.artifacts_dir={tmp_path / 'artifacts'}", f"paths.cache_dir={tmp_path / 'cache'}"]
    done = frontier(kit_image, "run", *words, *folders, "--quiet", "--json")
    assert done.returncode == 0, done.stderr
    run = Path(json.loads(done.stdout)["path"])
    cluster.wait_for("a start", lambda: list(run.glob("jobs/0001/starts/*.json")))
    assert len(containers()) == 1
    if how == "SIGKILL":  # what Slurm does after its grace; neither the job nor podman can do anything about it
        (job,) = cluster.ask("squeue", "-h", "-o", "%A").split()
        cluster.ask("scancel", "--signal=KILL", "--full", job)
    else:
        ended = frontier(kit_image, "cancel", run.name, "--artifacts", str(tmp_path / "artifacts"))
        assert ended.stdout.startswith("1 jobs ended: "), ended.stderr
    cluster.wait_for("the end of the job", lambda: not cluster.ask("squeue", "-h").strip(), limit_s=30)
    cluster.wait_for("the end of the container", lambda: containers() == [], limit_s=30)
    assert not list(run.glob("trials/*/trial.json")), "nothing is wrong with the trial"


def test_an_image_survives_its_archive(kit_image: KitImage, tmp_path: Path) -> None:
    file = tmp_path / "kit.tar"
    began_s = time.monotonic()
    saved = images.save("kit", file, kit_image.clone)
    assert saved.image_id == archive_image_id(file) == kit_image.image_id
    assert get_runtime("apptainer").image_id(f"oci-archive:{file}") == kit_image.image_id
    subprocess.run(["podman", "rmi", "--force", kit_image.image_id], capture_output=True, check=True)
    assert [finding.state for finding in images.verify(kit_image.clone, ["kit"])] == ["same", "missing"]
    loaded = images.load(file)
    assert loaded == saved
    assert [finding.state for finding in images.verify(kit_image.clone, ["kit"])] == ["same", "same"]
    assert kit_image.run("frontier", "--version").returncode == 0
    print(f"saved and loaded {saved.size_bytes / 1e6:.0f} MB in {time.monotonic() - began_s:.0f} s")
