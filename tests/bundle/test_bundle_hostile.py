"""Bundles from somebody who means ill: each way of deceiving is refused with one clear error. Every other hash in them fits."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from bundle_forging import CRATE, MANIFEST, contents, edited, forged, info, packed, rehashed, zipped

from frontier.bundle import container as form
from frontier.bundle import open_bundle, verify_bundle
from frontier.errors import PointsError, RunError, UsageError


def refused(file: Path, message: str) -> None:
    """Verifying and opening refuse a file alike, and opening leaves nothing behind."""
    for act in (lambda: verify_bundle(file), lambda: open_bundle(file, file.parent / "opened")):
        with pytest.raises((RunError, PointsError), match=message) as caught:
            act()
        assert file.name in str(caught.value)
        assert all(letter.isprintable() or letter == "\n" for letter in str(caught.value))
    assert not list((file.parent / "opened").iterdir())


def test_a_forged_bundle_with_no_change_is_a_good_one(bundle: Path, tmp_path: Path) -> None:
    """The helper that makes the liars' bundles lies only where it is told to."""
    assert verify_bundle(forged(bundle, tmp_path / "same.zip", {})).run_id == verify_bundle(bundle).run_id


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil.txt", "leads out of the folder"),
        ("trials/../../evil.txt", "leads out of the folder"),
        ("a/./b.txt", "leads out of the folder"),
        ("a//b.txt", "leads out of the folder"),
        ("/etc/evil.txt", "absolute path"),
        ("C:/evil.txt", "absolute path"),
        ("..\\evil.txt", "backslash"),
        ("notebooks\\evil.ipynb", "backslash"),
        ("folder/", "it is a folder"),
        ("a\x00b.txt", "letters other than"),
        ("a\x1b[2Jb.txt", "letters other than"),
        ("<script>alert(1)<!script>.txt", "letters other than"),
        ("a b.txt", "letters other than"),
        ("trials/.hidden", "letters other than"),
        ("-rf", "letters other than"),
        ("~root", "letters other than"),
        ("a/b.", "letters other than"),
        ("aux.txt", "device on Windows"),
        ("figures/COM1", "device on Windows"),
        ("x" * 300, "300 letters"),
        ("\N{GREEK SMALL LETTER ALPHA}.txt", "not ASCII"),
        ("bundle.json", "kept for what the kit adds"),
        ("theirs/report.html", "kept for what the kit adds"),
        ("REPORT.html", "differs from 'report.html' in case only"),
        ("points.parquet/evil", "is a file and cannot also be its folder"),
    ],
)
def test_names(bundle: Path, tmp_path: Path, name: str, message: str) -> None:
    members = [(info(known), data) for known, data in sorted(contents(bundle).items())]
    refused(zipped(tmp_path / "names.zip", [*members, (info(name), b"evil")]), message)
    assert not (tmp_path.parent / "evil.txt").exists()


def test_a_name_that_occurs_twice(bundle: Path, tmp_path: Path) -> None:
    members = [(info(known), data) for known, data in sorted(contents(bundle).items())]
    with pytest.warns(UserWarning, match="Duplicate name"):
        file = zipped(tmp_path / "twice.zip", [*members, (info("plan.json"), b"{}")])
    refused(file, r"member 'plan\.json' is refused: its name occurs twice")


@pytest.mark.parametrize(
    ("mode", "message"), [(0o120777, "a symbolic link"), (0o020666, "no regular file"), (0o010666, "no regular file"), (0o040755, "no regular file")]
)
def test_members_that_are_no_files(bundle: Path, tmp_path: Path, mode: int, message: str) -> None:
    members = [(info(known), data) for known, data in sorted(contents(bundle).items())]
    refused(zipped(tmp_path / "links.zip", [*members, (info("zz", mode=mode), b"/etc/passwd")]), f"member 'zz' is {message}")


def test_an_encrypted_member(bundle: Path, tmp_path: Path) -> None:
    data = bytearray(bundle.read_bytes())
    start = struct.unpack("<I", data[-6:-2])[0]
    data[start + 8] |= 1
    (tmp_path / "secret.zip").write_bytes(data)
    refused(tmp_path / "secret.zip", r"member 'README\.md' is encrypted")


def test_another_way_of_packing(bundle: Path, tmp_path: Path) -> None:
    members = [(info(known), data) for known, data in sorted(contents(bundle).items())]
    refused(zipped(tmp_path / "bzip.zip", [*members, (info("zz", method=zipfile.ZIP_BZIP2), b"x" * 500)]), "packed by method 12")


def test_a_bundle_that_another_program_packed(bundle: Path, tmp_path: Path) -> None:
    members = contents(bundle)
    with zipfile.ZipFile(tmp_path / "again.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members):
            archive.writestr(name, members[name])
    refused(tmp_path / "again.zip", "and the directory disagree|not in the form")
    zipped(tmp_path / "order.zip", [(info(name), data) for name, data in sorted(members.items(), reverse=True)])
    refused(tmp_path / "order.zip", "not in the order of their names")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"#!/bin/sh\n" + data, "does not fit its size"),
        (lambda data: data + b"tail", "does not end as a bundle does"),
        (lambda data: data[:-1], "does not end as a bundle does"),
        (lambda data: data[: len(data) // 2], "does not end as a bundle does"),
        (lambda data: data[:-2] + b"\x04\x00tail", "does not end as a bundle does"),
        (lambda data: b"", "does not end as a bundle does"),
        (lambda data: b"not a zip file at all", "does not end as a bundle does"),
    ],
    ids=["before", "after", "last-byte", "half", "comment", "empty", "text"],
)
def test_files_that_are_not_whole_or_hold_more(bundle: Path, tmp_path: Path, change: Callable[[bytes], bytes], message: str) -> None:
    (tmp_path / "cut.zip").write_bytes(change(bundle.read_bytes()))
    refused(tmp_path / "cut.zip", message)


def test_a_member_that_only_its_own_header_names(bundle: Path, tmp_path: Path) -> None:
    """Some programs read the headers in front of the data instead of the directory; they must not see another name."""
    data = bundle.read_bytes()
    assert data.count(b"attribution.json") >= 2
    (tmp_path / "two.zip").write_bytes(data.replace(b"attribution.json", b"attribution.jsox", 1))
    refused(tmp_path / "two.zip", "and the directory disagree")


def test_a_member_between_the_members(bundle: Path, tmp_path: Path) -> None:
    data = bundle.read_bytes()
    start = struct.unpack("<I", data[-6:-2])[0]
    hidden = b"hidden"
    moved = data[:start] + hidden + data[start:-6] + struct.pack("<I", start + len(hidden)) + data[-2:]
    (tmp_path / "gap.zip").write_bytes(moved)
    refused(tmp_path / "gap.zip", "not in the form")


def declared(bundle: Path, file: Path, name: str, *, size: int | None = None, packed_size: int | None = None) -> Path:
    """A bundle that declares other sizes of a member, in its header and in the directory."""
    with bundle.open("rb") as stream:
        member = next(one for one in form.read_directory(stream, origin="good") if one.name == name)
    other = form.Member(name, member.method, member.crc, packed_size or member.packed, size if size is not None else member.size, member.offset)
    data = bundle.read_bytes().replace(member.local, other.local).replace(member.central, other.central)
    file.write_bytes(data)
    return file


def test_a_bomb_by_declaration(bundle: Path, tmp_path: Path) -> None:
    refused(declared(bundle, tmp_path / "ratio.zip", "plan.json", size=200 * form.MIB), "would inflate [0-9]+ times; at most 200")
    refused(declared(bundle, tmp_path / "large.zip", "plan.json", size=300 * form.MIB), "has 300 MiB; at most 256")


def test_a_bomb_that_lies_about_its_size(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten megabytes of zeros that declare 500 bytes: no more than a chunk is ever inflated beyond what was declared."""
    members = {**contents(bundle), "attribution.json": b" " * (10 * form.MIB)}
    with monkeypatch.context() as patch:
        patch.setattr(form, "MAX_RATIO", 10**9)
        good = packed(rehashed(members), tmp_path / "good.zip")
        bomb = declared(good, tmp_path / "bomb.zip", "attribution.json", size=500)
    refused(bomb, "inflates to more than the 500 bytes it declares")
    with bomb.open("rb") as stream:
        member = next(one for one in form.read_directory(stream, origin="bomb") if one.name == "attribution.json")
        pieces = form.inflate(stream, member, origin="bomb")
        with pytest.raises(RunError):
            next(pieces)
    refused(good, "would inflate [0-9]+ times")


def test_many_and_large_members(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = len(contents(bundle))
    with monkeypatch.context() as patch:
        patch.setattr(form, "MAX_MEMBERS", count - 1)
        refused(bundle, f"{count} members are more than the {count - 1}")
    with monkeypatch.context() as patch:
        patch.setattr(form, "MAX_TOTAL", 2**19)
        refused(bundle, "together")
    data = bytearray(bundle.read_bytes())
    data[-12:-10] = data[-14:-12] = b"\xff\xff"
    (bundle.parent / "count.zip").write_bytes(data)
    refused(bundle.parent / "count.zip", "65535 members are more than the 20000")


def test_a_changed_member_whose_hashes_were_left(bundle: Path, tmp_path: Path) -> None:
    members = contents(bundle)
    refused(packed({**members, "points.parquet": members["points.parquet"][:-1] + b"X"}, tmp_path / "plain.zip"), r"points\.parquet|Parquet")
    attribution = edited(bundle, "attribution.json", lambda document: document.update(metric="output"))
    refused(packed({**members, **attribution}, tmp_path / "crate.zip"), f"member 'attribution.json' has another SHA-256 .* than {CRATE} states")


def test_hashes_forged_in_the_crate_but_not_in_the_manifest(bundle: Path, tmp_path: Path) -> None:
    attribution = edited(bundle, "attribution.json", lambda document: document.update(metric="output"))
    file = forged(bundle, tmp_path / "half.zip", attribution, manifest=False)
    refused(file, "member 'attribution.json' has another SHA-256 than the run's manifest states")


def test_a_forged_size(bundle: Path, tmp_path: Path) -> None:
    def smaller(crate: Any) -> None:
        next(entity for entity in crate["@graph"] if entity["@id"] == "plan.json")["contentSize"] = "7"

    refused(packed({**contents(bundle), **edited(bundle, CRATE, smaller)}, tmp_path / "size.zip"), "member 'plan.json' has another size than")


def test_more_and_fewer_members_than_stated(bundle: Path, tmp_path: Path) -> None:
    members = contents(bundle)
    refused(packed({**members, "extra.txt": b"x"}, tmp_path / "more.zip"), f"members that {CRATE} does not list: extra.txt")
    file = packed(rehashed({**members, "extra.txt": b"x"}, manifest=False), tmp_path / "run.zip")
    refused(file, "members that the run's manifest does not list: extra.txt")
    fewer = {name: data for name, data in members.items() if name != "report.html"}
    refused(packed(fewer, tmp_path / "fewer.zip"), f"members that {CRATE} lists are missing: report.html")
    refused(packed(rehashed(fewer, manifest=False), tmp_path / "lost.zip"), "files of the run are missing: report.html")
    for name in ("config.yaml", MANIFEST, CRATE):
        refused(packed({key: data for key, data in members.items() if key != name}, tmp_path / f"no-{name}.zip"), f"it has no {name}")


def test_raw_records_of_which_some_are_missing(bundle: Path, tmp_path: Path) -> None:
    trial = next(name for name in contents(bundle) if name.endswith("/trial.json")).rsplit("/", 1)[0]
    kept = {f"{trial}/kept/a.jsonl": b"1", f"{trial}/kept/b.jsonl": b"2"}
    whole = forged(bundle, tmp_path / "whole.zip", kept)
    assert verify_bundle(whole).raw
    members = contents(whole)
    del members[f"{trial}/kept/b.jsonl"]
    refused(packed(rehashed(members, manifest=False), tmp_path / "part.zip"), "some raw records are in it and some are missing")
    del members[f"{trial}/kept/a.jsonl"]
    assert not verify_bundle(packed(rehashed(members, manifest=False), tmp_path / "none.zip")).raw


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        (CRATE, lambda d: d.pop("@graph"), "no list of entities"),
        (CRATE, lambda d: d["@graph"].append("text"), "no list of entities"),
        (CRATE, lambda d: d["@graph"].append(d["@graph"][0]), "twice"),
        (CRATE, lambda d: _entity(d, CRATE).update(conformsTo={"@id": "https://example.org"}), r"not the description of an RO-Crate 1\.1"),
        (CRATE, lambda d: _entity(d, "./").update(conformsTo=[]), "does not state the profiles"),
        (CRATE, lambda d: _entity(d, "./").update(identifier="../../evil"), "not the id of a run"),
        (CRATE, lambda d: _entity(d, "./").update(identifier="20260101T000000Z-other-00000000"), "describes the run"),
        (CRATE, lambda d: _entity(d, "./").update(identifier="20260101T000000Z-<script>-00000000"), "not the id of a run"),
        (CRATE, lambda d: _entity(d, "plan.json").pop("sha256"), "without its sha256"),
        (CRATE, lambda d: _entity(d, "./").update(hasPart=[]), "hasPart and its files differ"),
        (CRATE, lambda d: _entity(d, "./").update(name="\x1b]0;evil\x07"), r"control character U\+001B"),
        (MANIFEST, lambda d: d.update(schema="frontier.manifest/9"), "not a document frontier.manifest/1"),
        (MANIFEST, lambda d: d.update(run_id="20260101T000000Z-<img src=x onerror=alert(1)>-00000000"), "the manifest 20260101T000000Z-<img"),
        (MANIFEST, lambda d: d.update(status="splendid"), "splendid"),
        (MANIFEST, lambda d: d.update(digest="0" * 64), "different configurations"),
        (MANIFEST, lambda d: d.update(files=[]), "lacks what every manifest"),
        (MANIFEST, lambda d: d.update(trials={}), "belongs to no trial"),
        ("plan.json", lambda d: d.update(digest="0" * 64), "different configurations"),
        ("plan.json", lambda d: d.update(_target_="os.system"), "'_target_', by which Hydra would make an object"),
        ("environment.json", lambda d: d.update(kit="mine"), "lacks what every manifest"),
        ("environment.json", lambda d: d.update(schema="other"), "not a document frontier.environment/1"),
        ("environment.json", lambda d: d["kit"].update(version="1\u202e2"), r"control character U\+202E"),
        ("attribution.json", lambda d: d.update(notes=["a\x1b[2Jb"]), r"control character U\+001B"),
        ("attribution.json", lambda d: d.update(notes=["a" * 30_000]), "30000 letters"),
    ],
)
def test_forged_documents(bundle: Path, tmp_path: Path, name: str, edit: Callable[[Any], object], message: str) -> None:
    changes = edited(bundle, name, edit)
    # A forged crate stands as it is; after any other change all hashes fit again.
    members = {**contents(bundle), **changes}
    if name == MANIFEST:
        members = rehashed(members, manifest=False)
    elif name != CRATE:
        members = rehashed(members)
    refused(packed(members, tmp_path / "forged.zip"), message)


def _entity(crate: Any, identifier: str) -> Any:
    return next(entity for entity in crate["@graph"] if entity["@id"] == identifier)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": 1, "a": 2}', "key 'a' twice"),
        (b"\xff\xfe", "is not JSON"),
        (b"{", "is not JSON"),
        (b"1" * 5000, "is not JSON"),
        (b'{"a": NaN}', "holds NaN, which is not JSON"),
    ],
)
def test_json_that_is_none_or_means_two_things(bundle: Path, tmp_path: Path, data: bytes, message: str) -> None:
    refused(forged(bundle, tmp_path / "json.zip", {"attribution.json": data}), message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("evil:\n  _target_: os.system\n  command: touch evil\n", "'_target_', by which Hydra would make an object"),
        ("evil:\n- a:\n    _partial_: true\n", "'_partial_', by which Hydra would make an object"),
        ("evil: !!python/object/apply:os.system ['touch evil']\n", "the YAML tag 'tag:yaml.org,2002:python/object/apply:os.system'"),
        ("evil: !!python/name:os.system\n", "the YAML tag"),
        ("evil: !!python/object/apply:pathlib.PosixPath [evil]\n", "the YAML tag"),
        ("evil: !custom x\n", "the YAML tag '!custom'"),
        ("evil: !!str x\n", "the YAML tag"),
        ("evil: &a [1, 2]\nmore: *a\n", "anchor or alias"),
        ("evil: &a 1\n", "anchor or alias"),
        ("evil: ${oc.env:HOME}\n", "interpolation"),
        ("evil: 'a ${name} b'\n", "interpolation"),
        ("name: other\n", "key 'name' twice"),
        ("? [a, b]\n: c\n", "a key that is no text"),
        ("---\nevil: 1\n", "2 YAML documents"),
        ('evil: "\\x1b[2J"\n', r"control character U\+001B"),
        ("evil: \x1b[2J\n", r"control character U\+001B"),
        ("evil: [" * 3000, "not YAML|nested too deeply"),
        ("evil: [\n", "is not YAML"),
        ("evil: '" + "a" * 30_000 + "'\n", "30000 letters"),
    ],
)
def test_configurations_that_would_act(bundle: Path, tmp_path: Path, line: str, message: str) -> None:
    config = contents(bundle)["config.yaml"] + line.encode()
    refused(forged(bundle, tmp_path / "yaml.zip", {"config.yaml": config}), message)
    assert not Path("evil").exists()


def test_yaml_among_the_raw_records_is_looked_at_too(bundle: Path, tmp_path: Path) -> None:
    trial = next(name for name in contents(bundle) if name.endswith("/trial.json")).rsplit("/", 1)[0]
    refused(forged(bundle, tmp_path / "yaml.zip", {f"{trial}/kept/server.YML": b"a: !!python/name:os.system\n"}), "the YAML tag")


def parquet(**columns: list[Any]) -> bytes:
    stream = io.BytesIO()
    pd.DataFrame(columns).to_parquet(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PAR1 nothing PAR1", "no Parquet table that can be read"),
        (parquet(variant=["a\x1b[2Jb"], evidence=["measured"]), r"control character U\+001B"),
        (parquet(variant=["a" * 30_000], evidence=["measured"]), "30000 letters"),
        (parquet(variant=["a"] * 200_001), "200001 rows"),
        (parquet(**{f"c{number}": [1] for number in range(1001)}), "1001 columns"),
        (parquet(variant=[[1, 2]]), "columns of other kinds"),
        (parquet(**{"a\x07": [1]}), r"control character U\+0007"),
        (parquet(variant=["a"]), "no interactivity"),
    ],
)
def test_tables_that_are_none_or_too_much(bundle: Path, tmp_path: Path, data: bytes, message: str) -> None:
    refused(forged(bundle, tmp_path / "table.zip", {"points.parquet": data}), message)
    if "interactivity" not in message:
        trial = next(name for name in contents(bundle) if name.startswith("trials/") and name.endswith("points.parquet"))
        refused(forged(bundle, tmp_path / "trial.zip", {trial: data}), message)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*: No such file"):
        verify_bundle(tmp_path / "none.zip")
    with pytest.raises(UsageError, match=r"cannot read .*: Is a directory"):
        verify_bundle(tmp_path)


def test_the_manifest_of_the_good_one_is_the_runs(run: Path, bundle: Path) -> None:
    assert json.loads(contents(bundle)[MANIFEST]) == json.loads((run / MANIFEST).read_text())
