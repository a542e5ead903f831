"""Which image an archive holds, read from archives made by hand; records beside files of other forms."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from frontier.errors import MachineError
from frontier.runtimes import archive_image_id, get_runtime, recorded_image_id, write_record

CONFIG = "sha256:" + "c0" * 32


def archive(file: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w") as made:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return file


def blob(document: Any) -> tuple[str, str, bytes]:
    content = json.dumps(document).encode()
    digest = hashlib.sha256(content).hexdigest()
    return f"blobs/sha256/{digest}", f"sha256:{digest}", content


def oci(file: Path, *, nested: bool = False, images: int = 1, attested: bool = False) -> Path:
    members = {}
    name, digest, content = blob({"schemaVersion": 2, "config": {"digest": CONFIG}, "layers": []})
    members[name] = content
    entries: list[dict[str, Any]] = [{"digest": digest, "platform": {"os": "linux", "architecture": "amd64"}}] * images
    if attested:
        entries.append({"digest": "sha256:" + "00" * 32, "platform": {"os": "unknown", "architecture": "unknown"}})
    index: dict[str, Any] = {"schemaVersion": 2, "manifests": entries}
    if nested:
        name, digest, content = blob(index)
        members[name] = content
        index = {"schemaVersion": 2, "manifests": [{"digest": digest}]}
    members["index.json"] = json.dumps(index).encode()
    return archive(file, members)


def docker(file: Path, config: str, images: int = 1) -> Path:
    return archive(file, {"manifest.json": json.dumps([{"Config": config, "Layers": []}] * images).encode()})


def test_oci_archives(tmp_path: Path) -> None:
    assert archive_image_id(oci(tmp_path / "a.tar")) == CONFIG
    assert archive_image_id(oci(tmp_path / "b.tar", nested=True, attested=True)) == CONFIG


@pytest.mark.parametrize("config", ["c0" * 32 + ".json", "blobs/sha256/" + "c0" * 32])
def test_docker_archives_of_both_ages(tmp_path: Path, config: str) -> None:
    assert archive_image_id(docker(tmp_path / "a.tar", config)) == CONFIG


def test_a_compressed_archive(tmp_path: Path) -> None:
    import gzip

    plain = oci(tmp_path / "a.tar")
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert archive_image_id(tmp_path / "a.tar.gz") == CONFIG


def test_archives_that_do_not_name_one_image(tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_text("no archive", encoding="utf-8")
    files = [
        oci(tmp_path / "two.tar", images=2),
        docker(tmp_path / "two-docker.tar", "c0" * 32 + ".json", images=2),
        docker(tmp_path / "odd.tar", "../../etc/passwd"),
        archive(tmp_path / "empty.tar", {"x": b""}),
        archive(tmp_path / "list.tar", {"index.json": b"[]"}),
        archive(tmp_path / "lost.tar", {"index.json": json.dumps({"manifests": [{"digest": CONFIG}]}).encode()}),
        tmp_path / "text.tar",
        tmp_path / "absent.tar",
    ]
    for file in files:
        with pytest.raises(MachineError, match="is no OCI archive and no docker archive"):
            archive_image_id(file)


def test_an_index_that_points_to_itself_ends(tmp_path: Path) -> None:
    # A digest cannot really hold itself, but a forged archive can name a member so.
    index = json.dumps({"manifests": [{"digest": "sha256:aa"}]}).encode()
    with pytest.raises(MachineError, match="no OCI archive"):
        archive_image_id(archive(tmp_path / "loop.tar", {"index.json": index, "blobs/sha256/aa": index}))


def test_apptainer_reads_the_id_from_the_archive(tmp_path: Path) -> None:
    runtime = get_runtime("apptainer")
    assert runtime.image_id(f"oci-archive:{oci(tmp_path / 'kit.tar')}") == CONFIG
    assert runtime.image_id(f"docker-archive:{docker(tmp_path / 'old.tar', 'c0' * 32 + '.json')}") == CONFIG
    with pytest.raises(MachineError, match="no image archive"):
        runtime.image_id("oci-archive:/absent.tar")


@pytest.mark.parametrize(("name", "runtime"), [("kit.sif", "apptainer"), ("kit.sqsh", "pyxis")])
def test_a_converted_file_is_what_its_record_says(tmp_path: Path, name: str, runtime: str) -> None:
    file = tmp_path / name
    with pytest.raises(MachineError, match="no image file"):
        get_runtime(runtime).image_id(str(file))
    file.write_bytes(b"squash")
    with pytest.raises(MachineError, match="does not say which image"):
        get_runtime(runtime).image_id(str(file))
    write_record(file, CONFIG)
    assert get_runtime(runtime).image_id(str(file)) == recorded_image_id(file) == CONFIG
    file.write_bytes(b"another")
    with pytest.raises(MachineError, match="written for another file"):
        get_runtime(runtime).image_id(str(file))


def test_pyxis_cannot_name_an_image_of_a_registry() -> None:
    with pytest.raises(MachineError, match="enroot import"):
        get_runtime("pyxis").image_id("nvcr.io#nvidia/pytorch:25.09-py3")
