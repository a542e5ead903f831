"""Bundles that are written: what is in them, the same every time, readable by others; and runs that are refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from bundle_forging import CRATE, MANIFEST, contents, refinish, with_images

from frontier.bundle import open_bundle, verify_bundle, write_bundle
from frontier.bundle.container import Member, pack
from frontier.errors import RunError, UsageError
from frontier.store import RunFolder


def graph(bundle: Path) -> dict[str, dict[str, Any]]:
    return {entity["@id"]: entity for entity in json.loads(contents(bundle)[CRATE])["@graph"]}


def test_every_file_of_the_run_is_in_it_as_it_was(run: Path, bundle: Path) -> None:
    members = contents(bundle)
    files = {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert {name: data for name, data in members.items() if name not in (CRATE, "README.md")} == files
    assert {"config.yaml", "plan.json", "points.parquet", "attribution.json", "report.html", "environment.json", MANIFEST} <= set(members)
    assert {"notebooks/20_measure_frontier.ipynb", "notebooks/30_attribute_shift.ipynb", "notebooks/40_write_report.ipynb"} <= set(members)


def test_what_a_cluster_s_jobs_wrote_stays_where_they_ran(run: Path, bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / run.name
    shutil.copytree(run, copy)
    (copy / "jobs" / "0001" / "log").mkdir(parents=True)
    (copy / "jobs" / "0001" / "submission.json").write_text("{}")
    (copy / "jobs" / "0001" / "log" / "latest.sh").symlink_to("/somewhere/else")
    write_bundle(copy, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_a_stranger_reads_it_with_zipfile_and_json_alone(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() is None
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == sorted(archive.namelist())
    members, entities = contents(bundle), graph(bundle)
    listed = {part["@id"] for part in entities["./"]["hasPart"]}
    assert listed == set(members) - {CRATE}
    for name in listed:
        assert entities[name]["sha256"] == hashlib.sha256(members[name]).hexdigest()
        assert entities[name]["contentSize"] == str(len(members[name]))


def test_the_library_of_the_format_reads_it(run: Path, bundle: Path) -> None:
    from rocrate.rocrate import ROCrate

    crate = ROCrate(bundle)
    assert crate.mainEntity.id == "config.yaml"
    assert set(crate.mainEntity.type) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert crate.root_dataset["identifier"] == run.name
    assert graph(bundle)["./"]["datePublished"] == json.loads((run / MANIFEST).read_text())["finished_utc"]  # not when it was bundled
    assert {entity.id for entity in crate.root_dataset["conformsTo"]} == {
        "https://w3id.org/ro/wfrun/process/0.5", "https://w3id.org/ro/wfrun/workflow/0.5", "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
    }  # fmt: skip
    action = crate.get("#run")
    assert action["instrument"] is crate.mainEntity
    assert action["startTime"] == json.loads((run / MANIFEST).read_text())["created_utc"]
    assert "points.parquet" in {entity.id for entity in action["result"]}


def test_the_same_run_gives_the_same_bytes(run: Path, bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / run.name
    shutil.copytree(run, other)
    for path in other.rglob("*"):
        os.utime(path, (0, 1_000_000))
        path.chmod(0o777)
    write_bundle(other, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_what_is_said_of_it(run: Path, bundle: Path) -> None:
    facts = verify_bundle(bundle)
    assert facts.run_id == run.name
    assert facts.name == "smoke"
    assert facts.status == "complete"
    assert facts.evidence == "simulated"
    assert not facts.raw
    assert facts.container is None
    assert facts.sha256 == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert facts.size_bytes == bundle.stat().st_size < 5_000_000
    assert facts.unpacked_bytes == sum(map(len, contents(bundle).values()))
    assert facts.to_dict()["schema"] == "frontier.bundle/1"


def test_licences_and_sources_are_said_or_said_to_be_unknown(bundle: Path) -> None:
    entities = graph(bundle)
    assert entities["#frontier-kit"]["license"] == {"@id": "https://www.apache.org/licenses/LICENSE-2.0"}
    assert entities["report.html"]["license"] == {"@id": "https://www.apache.org/licenses/LICENSE-2.0"}
    assert entities["./"]["license"] == {"@id": "#rights"}
    assert "licence of the model meta-llama/Meta-Llama-3.1-70B is not stated" in entities["#rights"]["description"]
    assert entities["#claim"]["name"] == "known answer of the fake engine"
    assert entities["#source-1"]["name"] == "frontier fake engine (closed form)"


def test_the_image_of_the_run_and_of_its_engine_are_named(own_run: Path, tmp_path: Path) -> None:
    container = with_images(own_run)
    facts = write_bundle(own_run, tmp_path / "image.zip")
    entities = graph(tmp_path / "image.zip")
    assert facts.container == container
    assert entities["#container"]["@type"] == "ContainerImage"
    assert entities["#container"]["sha256"] == "ab" * 32
    assert entities["#container"]["registry"] == "localhost"
    assert entities["#run"]["containerImage"] == {"@id": "#container"}
    assert entities["#engine-image-1"]["sha256"] == "cd" * 32
    assert entities["#engine-image-1"]["registry"] == "nvcr.io"
    assert entities["#data-aiconfigurator-core"]["license"] == {"@id": "https://www.apache.org/licenses/LICENSE-2.0"}
    assert "hold data of aiconfigurator-core 0.12.0, under Apache-2.0" in entities["#rights"]["description"]


def test_raw_records_are_in_it_on_request(own_run: Path, tmp_path: Path) -> None:
    trial = next(path for path in sorted((own_run / "trials").iterdir()))
    (trial / "kept" / "c4").mkdir(parents=True)
    (trial / "kept" / "c4" / "requests.jsonl").write_text('{"ttft_s": 0.1}\n')
    record = json.loads((trial / "trial.json").read_text())
    (trial / "trial.json").write_text(json.dumps({**record, "reason": "\x1b[31mserver said so\x1b[0m"}))
    (trial / "log.txt").write_text("\x1b[31mserver said so\x1b[0m\n")
    refinish(own_run)
    plain, full = write_bundle(own_run, tmp_path / "plain.zip"), write_bundle(own_run, tmp_path / "full.zip", raw=True)
    assert (plain.raw, full.raw) == (False, True)
    extra = set(contents(tmp_path / "full.zip")) - set(contents(tmp_path / "plain.zip"))
    assert extra == {f"trials/{trial.name}/kept/c4/requests.jsonl", f"trials/{trial.name}/log.txt"}
    opened = open_bundle(tmp_path / "full.zip", tmp_path / "opened")
    assert (opened / "trials" / trial.name / "log.txt").read_text() == "\x1b[31mserver said so\x1b[0m\n"


def test_a_run_with_failed_trials_is_said_to_have_failed(own_run: Path, tmp_path: Path) -> None:
    RunFolder(own_run).write_manifest("incomplete", json.loads((own_run / MANIFEST).read_text())["digest"])
    assert write_bundle(own_run, tmp_path / "failed.zip").status == "incomplete"
    assert graph(tmp_path / "failed.zip")["#run"]["actionStatus"] == "http://schema.org/FailedActionStatus"


def test_an_unfinished_run_is_refused(own_run: Path, tmp_path: Path) -> None:
    (own_run / MANIFEST).unlink()
    with pytest.raises(RunError, match=r"is not finished: it has no manifest\.json"):
        write_bundle(own_run, tmp_path / "run.zip")
    assert not (tmp_path / "run.zip").exists()


def test_a_run_that_is_not_what_its_manifest_says_is_refused_by_name(own_run: Path, tmp_path: Path) -> None:
    (own_run / "points.parquet").write_bytes(b"other")
    (own_run / "plan.json").rename(tmp_path / "plan.json")
    (own_run / "plan.json").symlink_to(tmp_path / "plan.json")
    (own_run / "attribution.json").unlink()
    (own_run / "note.txt").write_text("mine")
    with pytest.raises(RunError) as caught:
        write_bundle(own_run, tmp_path / "run.zip")
    assert caught.value.message == (
        f"{own_run.name} is not what its manifest says; "
        "missing: attribution.json; not of the run: note.txt; links: plan.json; changed: points.parquet"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [("run.tar", r"ends in \.zip"), ("there.zip", "is there already"), ("runs/{run}/run.zip", "in the run's own folder")],
)
def test_files_that_are_not_written(own_run: Path, tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "there.zip").write_text("something")
    with pytest.raises(UsageError, match=message):
        write_bundle(own_run, tmp_path / name.format(run=own_run.name))
    assert (tmp_path / "there.zip").read_text() == "something"


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not the folder of a run"):
        write_bundle(tmp_path / "folder", tmp_path / "run.zip")


def test_an_opened_bundle_is_passed_on_itself(bundle: Path, tmp_path: Path) -> None:
    opened = open_bundle(bundle, tmp_path)
    with pytest.raises(RunError, match="was opened from a bundle"):
        write_bundle(opened, tmp_path / "again.zip")


def test_a_run_that_no_bundle_may_hold_is_not_written(own_run: Path, tmp_path: Path) -> None:
    (own_run / "config.yaml").write_text((own_run / "config.yaml").read_text() + "title2: ${oc.env:HOME}\n")
    refinish(own_run)
    with pytest.raises(RunError, match="interpolation"):
        write_bundle(own_run, tmp_path / "run.zip")
    assert list(tmp_path.glob("*.zip")) == []
    assert not list(tmp_path.glob(".tmp-*"))


def test_the_form_is_the_one_that_pythons_zipfile_writes(tmp_path: Path) -> None:
    """An independent writer, given the same members, agrees on every byte."""
    members = {"a.txt": b"some text " * 40, "b/c.bin": bytes(range(256)), "empty": b""}
    pack(tmp_path / "own.zip", [(name, lambda data=data: data) for name, data in members.items()])  # type: ignore[misc]
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED if name == "a.txt" else zipfile.ZIP_STORED
            archive.writestr(entry, data, compresslevel=9)
    assert (tmp_path / "own.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()
    assert len(Member("a", 0, 0, 0, 0, 0).local) == 31


def test_what_packs_like_a_bomb_is_stored_as_it_is(tmp_path: Path) -> None:
    pack(tmp_path / "own.zip", [("zeros", lambda: bytes(2**21)), ("text", lambda: b"ab" * 1000)])
    with zipfile.ZipFile(tmp_path / "own.zip") as archive:
        assert {entry.filename: entry.compress_type for entry in archive.infolist()} == {"zeros": zipfile.ZIP_STORED, "text": zipfile.ZIP_DEFLATED}
