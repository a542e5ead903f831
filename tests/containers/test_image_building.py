"""Builds without a builder: what goes in, the command lines (written by hand), what is refused, what verify says, what is carried."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from frontier import images
from frontier.cli import main
from frontier.errors import ConfigError, MachineError, RunError, UsageError
from frontier.images.bootstrap import MIRROR, find_mirror
from frontier.images.commands import Order, build_command, load_command, save_command
from frontier.images.source import read_source

ID, OTHER, BASE = ("sha256:" + pair * 32 for pair in ("1d", "07", "ba"))
DATE = "2026-01-02T03:04:05+00:00"
EPOCH = 1767323045


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A small clone with one image."""
    folder = tmp_path / "clone"
    lock = images.Lock(
        {"kit": images.Base("reg.invalid/python:3", bootstrap=True), "far": images.Base("reg.invalid/far:1")},
        images.Bootstrap("bookworm", ("python3",), 1700000000),
        folder / "containers" / "images.lock.yaml",
    )
    (folder / "containers" / "kit").mkdir(parents=True)
    images.write_lock(lock)
    (folder / "containers" / "kit" / "Containerfile").write_text("ARG BASE\nFROM ${BASE}\nCOPY kit /opt/kit\n", encoding="utf-8")
    (folder / "conf").mkdir()
    (folder / "conf" / "config.yaml").write_text("", encoding="utf-8")
    (folder / "requirements").mkdir()
    (folder / "requirements" / "base.lock").write_text("a==1\n", encoding="utf-8")
    (folder / "run.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (folder / "run.sh").chmod(0o775)
    (folder / ".gitignore").write_text("artifacts/\n", encoding="utf-8")
    (folder / "link").symlink_to("run.sh")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--no-gpg-sign", "--message", "first")
    return folder


def git(folder: Path, *words: str) -> None:
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in (("NAME", "t"), ("EMAIL", "t@t"), ("DATE", DATE))}
    subprocess.run(["git", "-C", str(folder), *words], env={**os.environ, **who}, check=True)


def test_a_commit_as_an_image_gets_it(clone: Path, tmp_path: Path) -> None:
    source = read_source(clone)
    assert (len(source.commit), source.epoch_s, source.changed, source.label) == (40, EPOCH, False, source.commit)
    (clone / "artifacts").mkdir()
    (clone / "artifacts" / "ignored").write_text("", encoding="utf-8")
    before = os.umask(0o077)
    try:
        source.copy(tmp_path / "copy")
    finally:
        os.umask(before)
    modes = {path.relative_to(tmp_path / "copy").as_posix(): oct(path.lstat().st_mode)[-3:] for path in (tmp_path / "copy").rglob("*")}
    modes.pop("link")
    assert modes == {
        ".gitignore": "644", "conf": "755", "conf/config.yaml": "644", "containers": "755", "containers/images.lock.yaml": "644",
        "containers/kit": "755", "containers/kit/Containerfile": "644", "requirements": "755", "requirements/base.lock": "644", "run.sh": "755",
    }  # fmt: skip
    assert (tmp_path / "copy" / "link").readlink() == Path("run.sh")


def test_a_clone_that_differs_from_its_commit_says_so_or_is_refused(clone: Path, tmp_path: Path) -> None:
    (clone / "run.sh").write_text("changed\n", encoding="utf-8")
    (clone / "beside").write_text("new\n", encoding="utf-8")
    (clone / "link").unlink()
    with pytest.raises(UsageError, match=r"differs from its commit: link, run.sh, beside[\s\S]*--dirty"):
        read_source(clone)
    source = read_source(clone, dirty=True)
    assert source.label == f"{source.commit}+changes"
    assert source.tag == f"{source.commit[:12]}-changes"
    source.copy(tmp_path / "copy")
    assert (tmp_path / "copy" / "run.sh").read_text(encoding="utf-8") == "changed\n"
    assert (tmp_path / "copy" / "beside").exists()
    assert not (tmp_path / "copy" / "link").exists()


def test_a_folder_that_is_no_clone(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="git log failed"):
        read_source(tmp_path)


ARGUMENTS = {"BASE": "b@x", "FRONTIER_KIT_COMMIT": "abc"}
ORDER = Order(Path("/c"), "localhost/kit:1", EPOCH, ARGUMENTS, Path("/w"), False, {"ca": Path("/ca.crt"), "pip": Path("/pip")})


def test_a_build_by_podman() -> None:
    assert build_command("podman", ORDER) == [
        "podman", "build", "--pull=never", "--no-cache", "--identity-label=false", "--timestamp=1767323045", "--http-proxy=false", "--no-hosts",
        "--tag=localhost/kit:1", "--network=none", "--file=/c/Containerfile",
        "--build-arg=BASE=b@x", "--build-arg=FRONTIER_KIT_COMMIT=abc", "--build-arg=SOURCE_DATE_EPOCH=1767323045",
        "--build-context=wheels=/w", "--secret=id=ca,src=/ca.crt", "--secret=id=pip,src=/pip", "/c",
    ]  # fmt: skip


def test_a_build_by_docker() -> None:
    assert build_command("docker", replace(ORDER, network=True, wheels=None, secrets={})) == [
        "docker", "buildx", "build", "--no-cache", "--provenance=false", "--sbom=false",
        "--output=type=docker,rewrite-timestamp=true,name=localhost/kit:1", "--network=host", "--file=/c/Containerfile",
        "--build-arg=BASE=b@x", "--build-arg=FRONTIER_KIT_COMMIT=abc", "--build-arg=SOURCE_DATE_EPOCH=1767323045", "/c",
    ]  # fmt: skip


def test_archives_by_both() -> None:
    file = Path("/a.tar")
    assert save_command("podman", "kit", file, "oci") == ["podman", "save", "--format=oci-archive", "--output=/a.tar", "kit"]
    assert save_command("podman", "kit", file, "docker") == ["podman", "save", "--format=docker-archive", "--output=/a.tar", "kit"]
    assert save_command("docker", "kit", file, "docker") == ["docker", "save", "--output=/a.tar", "kit"]
    assert load_command("docker", file) == ["docker", "load", "--input=/a.tar"]
    for builder, form in (("docker", "oci"), ("podman", "zip"), ("apptainer", "oci")):
        with pytest.raises(UsageError):
            save_command(builder, "kit", file, form)


@pytest.mark.parametrize(
    ("file", "text", "mirror"),
    [
        ("sources.list.d/debian.sources", "Types: deb\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\n", "http://m/debian"),
        ("sources.list.d/debian.sources", "Types: deb\nURIs: http://s/sec\nSuites: bookworm-security\n\nURIs: http://m/d\nSuites: bookworm\n", "http://m/d"),
        ("sources.list", "# deb http://no/ bookworm main\ndeb [signed-by=/k] http://m/debian bookworm main\n", "http://m/debian"),
        ("sources.list", "deb http://m/debian trixie main\n", MIRROR),
        ("sources.list.d/other.txt", "deb http://m/debian bookworm main\n", MIRROR),
    ],
)
def test_the_mirror_is_the_machines_own(tmp_path: Path, file: str, text: str, mirror: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert find_mirror("bookworm", tmp_path) == mirror


def refused(clone: Path, name: str = "kit", **wish: Any) -> str:
    with pytest.raises((ConfigError, UsageError, MachineError)) as caught:
        images.build(name, clone, images.Wish(**wish))
    return str(caught.value)


def test_builds_that_are_refused_before_anything_runs(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "frontier images lock kit, or --base bootstrap" in refused(clone)
    assert "frontier images lock far" in refused(clone, "far")
    assert "cannot be made from packages" in refused(clone, "far", base="bootstrap")
    assert "no image 'nginx'" in refused(clone, "nginx")
    assert "one of: locked, bootstrap" in refused(clone, base="scratch")
    assert "one of: podman, docker" in refused(clone, runtime="apptainer")
    assert "no wheels in" in refused(clone, base="bootstrap", wheels=tmp_path / "empty")
    assert "no file /absent.pem" in refused(clone, base="bootstrap", ca=Path("/absent.pem"))
    (clone / "new").write_text("", encoding="utf-8")
    assert "differs from its commit: new" in refused(clone, base="bootstrap")


class Podman:
    """A stand-in for podman: answers from a table of images, writes archives, and notes what it was asked."""

    def __init__(self, folder: Path, local: dict[str, str]) -> None:
        self.table, self.log = folder / "images.json", folder / "log"
        self.set(local)
        script = folder / "podman"
        script.write_text(
            f"""#!/usr/bin/env python3
import json, shutil, sys
words = sys.argv[1:]
open({str(self.log)!r}, "a").write(" ".join(words) + "\\n")
table = json.load(open({str(self.table)!r}))
if words[:2] == ["image", "inspect"]:
    if words[-1] not in table:
        sys.exit("no such image")
    image = table[words[-1]]
    layers = [image[:12] + "-1", "sha256:same"]
    history = [{{"created_by": "RUN a"}}, {{"created_by": "ENV", "empty_layer": True}}, {{"created_by": "RUN b"}}]
    full = [{{"Id": image, "Digest": "sha256:m", "Size": 5, "RootFS": {{"Layers": layers}}, "History": history}}]
    print(image.removeprefix("sha256:") if "--format" in words else json.dumps(full))
elif words[0] == "run":
    print("python3 3.11\\nlibc6 2.36")
elif words[0] == "--version":
    print("podman version 0")
elif words[0] == "save":
    shutil.copy(table["archive"], next(word.split("=", 1)[1] for word in words if word.startswith("--output=")))
elif words[0] == "build" and "fail" in table:
    sys.exit("pip said no")
""",
            encoding="utf-8",
        )
        script.chmod(0o755)

    def set(self, local: dict[str, str]) -> None:
        self.table.write_text(json.dumps(local), encoding="utf-8")

    @property
    def asked(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Podman:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Podman(folder, {})


def local(clone: Path, second: str = ID) -> dict[str, str]:
    tag = f"localhost/frontier-kit:{read_source(clone, dirty=True).tag}"
    return {"localhost/frontier-base:bookworm": BASE, tag: ID, f"{tag}-again": second, ID: ID}


def test_a_build_leaves_its_record(clone: Path, podman: Podman) -> None:
    podman.set(local(clone))
    record = images.build("kit", clone, images.Wish(base="bootstrap", twice=True))
    assert record == images.read_record(clone, "kit")
    assert (record["image_id"], record["twice"]["same"], record["epoch_s"]) == (ID, True, EPOCH)
    assert record["base"]["packages"] == {"python3": "3.11", "libc6": "2.36"}
    assert [layer["created_by"] for layer in record["layers"]] == ["RUN a", "RUN b"]
    assert list(record["pins_sha256"]) == ["requirements/base.lock"]
    built = [line for line in podman.asked if line.startswith("build")]
    assert len(built) == 2
    assert "--build-arg=BASE=localhost/frontier-base:bookworm" in built[0]
    assert f"--build-arg=FRONTIER_KIT_COMMIT={record['kit_commit']}" in built[0]


def test_two_builds_that_differ_are_told_with_the_layer(
    clone: Path, podman: Podman, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    podman.set(local(clone, second=OTHER))
    monkeypatch.chdir(clone)
    with pytest.raises(SystemExit) as left:
        main(["images", "build", "kit", "--base", "bootstrap", "--twice"])
    assert left.value.code == 1
    assert "layer 1: RUN a" in capsys.readouterr().out


def test_a_failed_build_says_why(clone: Path, podman: Podman) -> None:
    podman.set({**local(clone), "fail": "1"})
    with pytest.raises(RunError, match=r"building kit failed with exit code 1:\npip said no"):
        images.build("kit", clone, images.Wish(base="bootstrap"))
    assert images.read_record(clone, "kit") is None


def test_a_locked_base_that_is_another_image_here_is_refused(clone: Path, podman: Podman) -> None:
    lock = images.read_lock(clone)
    images.write_lock(lock.with_base("kit", replace(lock.base("kit"), image_id=BASE, manifest_digest=OTHER)))
    reference = f"reg.invalid/python@{OTHER}"
    podman.set({**local(clone), reference: ID})
    message = refused(clone, dirty=True)
    assert f"is {ID} here and {BASE} in the lock" in message
    podman.set({**local(clone), reference: BASE})
    record = images.build("kit", clone, images.Wish(dirty=True))
    record["base"].pop("seconds")
    assert record["base"] == {"kind": "locked", "reference": reference, "image_id": BASE, "manifest_digest": OTHER, "packages": None}
    assert record["kit_commit"].endswith("+changes")


def test_verify_tells_the_four_states(clone: Path, podman: Podman, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def states(*names: str) -> tuple[list[str], int]:
        found = images.verify(clone, names)
        return [finding.state for finding in found], images.exit_code(found)

    assert states() == (["unlocked", "missing", "unlocked", "missing"], 2)
    podman.set(local(clone))
    tag = images.build("kit", clone, images.Wish(base="bootstrap"))["reference"]
    assert states("kit") == (["same", "same"], 0)
    podman.set({"localhost/frontier-base:bookworm": BASE})
    assert states("kit") == (["same", "missing"], 3)
    podman.set({"localhost/frontier-base:bookworm": OTHER, tag: ID})
    assert states("kit") == (["differs", "same"], 1)
    assert states()[1] == 1  # a difference outranks what is not locked
    monkeypatch.chdir(clone)
    with pytest.raises(SystemExit) as left:
        main(["images", "verify", "kit", "--json"])
    assert left.value.code == 1
    document = json.loads(capsys.readouterr().out)
    assert document["images"][0] == {
        "name": "kit", "what": "base", "state": "differs", "expected": BASE, "found": OTHER, "reference": "localhost/frontier-base:bookworm"
    }  # fmt: skip


def archive(file: Path, image_id: str) -> Path:
    content = json.dumps([{"Config": f"{image_id[7:]}.json"}]).encode()
    with tarfile.open(file, "w") as made:
        info = tarfile.TarInfo("manifest.json")
        info.size = len(content)
        made.addfile(info, io.BytesIO(content))
    return file


def test_an_archive_is_checked_on_both_sides(clone: Path, podman: Podman, tmp_path: Path) -> None:
    known = local(clone)
    podman.set(known)
    images.build("kit", clone, images.Wish(base="bootstrap"))
    podman.set({**known, "archive": str(archive(tmp_path / "right", ID))})
    saved = images.save("kit", tmp_path / "kit.tar", clone)
    assert (saved.image_id, saved.size_bytes) == (ID, (tmp_path / "kit.tar").stat().st_size)
    assert json.loads((tmp_path / "kit.tar.image.json").read_text(encoding="utf-8"))["image_id"] == ID
    assert images.load(tmp_path / "kit.tar") == saved
    with pytest.raises(UsageError, match="exists; nothing is overwritten"):
        images.save("kit", tmp_path / "kit.tar", clone)
    podman.set({**known, "archive": str(archive(tmp_path / "wrong", OTHER))})
    with pytest.raises(RunError, match=f"the archive holds {OTHER}, the image is {ID}"):
        images.save("kit", tmp_path / "other.tar", clone)
    assert not (tmp_path / "other.tar").exists()


def test_an_archive_that_changed_on_the_way_is_refused(clone: Path, podman: Podman, tmp_path: Path) -> None:
    podman.set(local(clone))
    file = archive(tmp_path / "kit.tar", ID)
    assert images.load(file).image_id == ID  # without a record the archive's own word counts, and a record is written
    file.write_bytes(archive(tmp_path / "other", OTHER).read_bytes())
    with pytest.raises(MachineError, match="written for another file"):
        images.load(file)
    (tmp_path / "kit.tar.image.json").unlink()
    with pytest.raises(MachineError, match="podman has no image"):  # loaded, and not there under the archive's ID
        images.load(file)


def test_a_note_binds_a_converted_file_to_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kit.sif").write_bytes(b"sif")
    made = archive(tmp_path / "kit.tar", ID)
    with pytest.raises(SystemExit) as left:
        main(["images", "note", str(tmp_path / "kit.sif"), "--from", str(made), "--json"])
    assert left.value.code == 0
    assert json.loads(capsys.readouterr().out)["image_id"] == ID
    from frontier.runtimes import get_runtime

    assert get_runtime("apptainer").image_id(str(tmp_path / "kit.sif")) == ID
