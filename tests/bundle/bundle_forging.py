"""Bundles as a liar would make them: contents changed and every hash made to fit again, or zip files put together by hand."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from frontier.bundle.container import pack
from frontier.store import RunFolder

CRATE, MANIFEST = "ro-crate-metadata.json", "manifest.json"
Changes = Mapping[str, bytes | None]


def contents(bundle: Path) -> dict[str, bytes]:
    """Every member's content."""
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rehashed(members: dict[str, bytes], *, manifest: bool = True) -> dict[str, bytes]:
    """The members with the manifest (if wanted) and the crate stating their hashes and sizes; new ones are described, missing ones are not."""
    out = dict(members)
    if manifest:
        document = json.loads(out[MANIFEST])
        kept = {name: digest for name, digest in document["files"].items() if name in out}
        new = [name for name in out if name not in (CRATE, MANIFEST, "README.md")]
        document["files"] = {**kept, **{name: hashlib.sha256(out[name]).hexdigest() for name in new}}
        out[MANIFEST] = json.dumps(document).encode()
    crate = json.loads(out[CRATE])
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    for name in set(out) - {CRATE}:
        entity = entities.setdefault(name, {"@id": name, "@type": "File", "name": name, "encodingFormat": "text/plain"})
        entity.update(sha256=hashlib.sha256(out[name]).hexdigest(), contentSize=str(len(out[name])))
    described = [name for name, entity in entities.items() if "File" in entity["@type"]]
    for name in set(described) - set(out):
        del entities[name]
    entities["./"]["hasPart"] = [{"@id": name} for name in sorted(set(out) - {CRATE})]
    crate["@graph"] = list(entities.values())
    out[CRATE] = json.dumps(crate).encode()
    return out


def packed(members: Mapping[str, bytes], file: Path) -> Path:
    """The members in a file of the form that bundles have."""
    pack(file, [(name, lambda data=data: data) for name, data in members.items()])  # type: ignore[misc]
    return file


def forged(bundle: Path, file: Path, changes: Changes, *, manifest: bool = True) -> Path:
    """The bundle with members changed, added or (None) taken out, all hashes made to fit."""
    members = {name: data for name, data in {**contents(bundle), **changes}.items() if data is not None}
    return packed(rehashed(members, manifest=manifest), file)


def edited(bundle: Path, name: str, edit: Callable[[Any], object]) -> dict[str, bytes]:
    """A member that holds JSON, changed by a function."""
    document = json.loads(contents(bundle)[name])
    edit(document)
    return {name: json.dumps(document).encode()}


def zipped(file: Path, members: list[tuple[zipfile.ZipInfo, bytes]]) -> Path:
    """A zip file as Python's own library writes it, with the very names given."""
    with zipfile.ZipFile(file, "w") as archive:
        for info, data in members:
            archive.writestr(info, data)
    return file


def info(name: str, *, mode: int = 0o100644, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    """An entry as bundles have them."""
    found = zipfile.ZipInfo("x", (1980, 1, 1, 0, 0, 0))
    found.filename = name  # set afterwards: the constructor would tidy it up
    found.create_system, found.external_attr, found.compress_type = 3, mode << 16, method
    return found


def refinish(run: Path) -> None:
    """Write the manifest of a run anew, as if it had ended with these files."""
    status, digest = (json.loads((run / MANIFEST).read_text())[key] for key in ("status", "digest"))
    RunFolder(run).write_manifest(status, digest)


def with_images(run: Path) -> dict[str, str]:
    """Let a run have been made in a container, with an engine's image and predictions; what its environment then says of the container."""
    container = {"runtime": "podman", "image": "localhost/frontier-kit:1", "image_id": f"sha256:{'ab' * 32}"}
    environment = json.loads((run / "environment.json").read_text())
    wheels = {"aiconfigurator-core": {"version": "0.12.0", "sha256": "c" * 64}}
    (run / "environment.json").write_text(json.dumps({**environment, "container": container, "wheels": wheels}))
    engine = f"  image: nvcr.io/nvidia/tensorrt-llm/release@sha256:{'cd' * 32}\n"
    config, found = re.subn("  image: ''\n", engine, (run / "config.yaml").read_text(), count=1)
    assert found
    (run / "config.yaml").write_text(config)
    refinish(run)
    return container
