"""The RO-Crate description of a run: Workflow Run Crate 0.5 over RO-Crate 1.1, built with the community's library.

https://www.researchobject.org/ro-crate/specification/1.1/ and https://www.researchobject.org/workflow-run-crate/profiles/0.5/workflow_run_crate/.
The experiment's configuration is the workflow: it is what `frontier run` executes, through the notebooks that stand in its parts.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from frontier.bundle.names import CRATE, MANIFEST, README, RUN_ID, listed, shown
from frontier.bundle.statements import APACHE, Source, citations, model, rights, wheels
from frontier.errors import RunError

CRATE_1_1 = "https://w3id.org/ro/crate/1.1"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}
# Written out, so that no further context need be fetched; https://w3id.org/ro/terms/workflow-run/context has the same.
TERMS = {
    name: f"https://w3id.org/ro/terms/workflow-run#{name}"
    for name in ("ContainerImage", "DockerImage", "SIFImage", "containerImage", "md5", "registry", "sha256", "tag")
}
KINDS = {
    ".html": "text/html", ".ipynb": "application/x-ipynb+json", ".json": "application/json", ".jsonl": "application/jsonl",
    ".parquet": "application/vnd.apache.parquet", ".png": "image/png", ".svg": "image/svg+xml", ".txt": "text/plain", ".log": "text/plain",
    ".yaml": "application/yaml", ".yml": "application/yaml", ".csv": "text/csv", ".md": "text/markdown",
}  # fmt: skip
WORKFLOW = "config.yaml"
NAMES = {
    "config.yaml": "the experiment's configuration, every key resolved",
    "plan.json": "what was to be run: variants, replicates, trials",
    "environment.json": "versions, machine and container of the run",
    "points.parquet": "the points table",
    "companion_points.parquet": "the points table of the evidence beside it",
    "attribution.json": "the shift, and each change's share in it",
    "report.html": "the report",
    MANIFEST: "state of the run, and the SHA-256 of each of its files",
}
_INPUTS = ("plan.json",)
_SHA = re.compile(r"sha256:([0-9a-f]{64})")


def describe(
    files: Mapping[str, tuple[str, int]], manifest: Mapping[str, Any], config: Mapping[str, Any], environment: Mapping[str, Any],
    tables: Sequence[pd.DataFrame],
) -> bytes:  # fmt: skip
    """``ro-crate-metadata.json`` of a run.

    Parameters
    ----------
    files : mapping
        Name -> SHA-256 (hex) and size in bytes of every other member.
    manifest, config, environment : mapping
        The run's documents.
    tables : sequence of DataFrame
        Its points tables.

    Returns
    -------
    bytes
        The same for the same run: no dates but the run's, no random identifiers, sorted.
    """
    # Imported on use: the library reads its vocabularies, a megabyte and a half. By name, because it carries no types.
    rocrate: Any = importlib.import_module("rocrate.rocrate")
    models: Any = importlib.import_module("rocrate.model")
    crate = rocrate.ROCrate(version="1.1")
    crate.metadata.extra_terms.update(TERMS)

    def add(identifier: str, kind: object, /, **facts: Any) -> Any:
        kept = {key: value for key, value in facts.items() if value not in ("", None, [])}
        return crate.add(models.ContextEntity(crate, identifier, properties={"@type": kind, **kept}))

    def cited(source: Source, kind: str) -> Any:
        return add(source.identifier, kind, name=source.name, url=source.url, license=_reference(source.licence), description=source.note)

    for identifier, (name, version) in PROFILES.items():
        add(identifier, "CreativeWork", name=name, version=version)
    add(APACHE, "CreativeWork", name="Apache License 2.0", url=APACHE)
    terms = add("#rights", "CreativeWork", name="licences of the parts", description=rights(config, environment, tables))
    kit = environment["kit"]
    commit = kit.get("commit") or "unknown"
    software = add(
        "#frontier-kit", "SoftwareApplication", name=kit["name"], softwareVersion=kit["version"], license=_reference(APACHE),
        description=f"commit {commit}{' with changes' if kit.get('dirty') else ''}, SHA-256 of its source {kit.get('source_sha256')}",
        softwareRequirements=[cited(source, "SoftwareApplication") for source in wheels(environment)],
    )  # fmt: skip
    language = add(
        "#language", "ComputerLanguage", name="experiment of frontier-kit", alternateName="frontier-kit", version=kit["version"],
        description="a Hydra configuration that `frontier run` executes through its notebooks",
    )  # fmt: skip
    steps = [
        add(f"#step-{stem}", "SoftwareApplication", name=stem, version=kit["version"], license=_reference(APACHE), isPartOf={"@id": software.id})
        for stem in _steps(files)
    ]
    served = cited(model(config), "CreativeWork")
    images = [add(identifier, "ContainerImage", **facts) for identifier, facts in _images(config, environment)]
    sources = [cited(source, "CreativeWork") for source in citations(config, tables)]

    entities = {name: _file(crate, name, *facts) for name, facts in sorted(files.items())}
    workflow = entities[WORKFLOW]
    workflow["programmingLanguage"] = language
    workflow["hasPart"] = steps
    workflow["version"] = str(manifest["digest"])[:16]
    crate.mainEntity = workflow

    title = str(config.get("title") or manifest["name"])
    done = manifest["status"] == "complete"
    action = add(
        "#run", "CreateAction", name=f"run {manifest['run_id']}", instrument=workflow,
        startTime=manifest["created_utc"], endTime=manifest["finished_utc"],
        actionStatus=f"http://schema.org/{'Completed' if done else 'Failed'}ActionStatus",
        error=None if done else "some trials failed; manifest.json says which",
        object=[entities[name] for name in _INPUTS if name in entities],
        result=[entity for name, entity in entities.items() if name not in (*_INPUTS, WORKFLOW, MANIFEST, README)],
        containerImage=images[0] if images and images[0].id == "#container" else None,
        description=f"Executed by {kit['name']} {kit['version']}.",
    )  # fmt: skip
    root = crate.root_dataset
    root["name"], root["identifier"] = title, manifest["run_id"]
    root["description"] = f"{title}. One run of {kit['name']} {kit['version']}: configuration, plan, points, notebooks, attribution and report."
    root["datePublished"] = manifest["finished_utc"]
    root["license"], root["conformsTo"] = terms, [{"@id": identifier} for identifier in PROFILES]
    root["mentions"], root["citation"] = [action, *images], sources
    root["about"] = served
    crate.metadata["conformsTo"] = [{"@id": CRATE_1_1}, {"@id": WORKFLOW_CRATE}]
    graph = crate.metadata.generate()
    graph["@graph"] = sorted((_ordered(entity) for entity in graph["@graph"]), key=lambda entity: str(entity["@id"]))
    return (json.dumps(graph, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _file(crate: Any, name: str, digest: str, size: int) -> Any:
    path = PurePosixPath(name)
    facts: dict[str, Any] = {
        "name": NAMES.get(name, path.name), "contentSize": str(size), "sha256": digest,
        "encodingFormat": KINDS.get(path.suffix.lower(), "application/octet-stream"),
    }  # fmt: skip
    if name == WORKFLOW:
        facts["@type"] = ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
    if name == README:
        facts["about"] = {"@id": "./"}
    if name == "report.html" or path.suffix == ".ipynb":
        facts["license"] = _reference(APACHE)
    return crate.add_file(None, name, properties=facts)


def _steps(files: Mapping[str, object]) -> list[str]:
    """Stems of the notebooks that were executed to the end, in order."""
    stems = [PurePosixPath(name).stem for name in sorted(files) if name.startswith("notebooks/")]
    return [stem for stem in stems if ".failed-" not in stem]


def _images(config: Mapping[str, Any], environment: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The container of the run, then the images that the configuration names for engines; identifier and facts of each."""
    found = []
    container = environment.get("container") or {}
    if container:
        image_id = str(container.get("image_id") or "")
        runtime = str(container.get("runtime") or "not stated")
        note = f"image of the run, by {runtime}; identity {image_id or 'not stated'}"
        found.append(("#container", _image(str(container.get("image") or image_id), image_id, note, runtime)))
    engine = config.get("engine") or {}
    names = dict.fromkeys(str(name) for name in (engine.get("image"), *(engine.get("images") or {}).values()) if name)
    found += [(f"#engine-image-{number}", _image(name, name, "image of the engine, as configured", "")) for number, name in enumerate(names, start=1)]
    return found


def _image(name: str, digest: str, note: str, runtime: str) -> dict[str, Any]:
    match = _SHA.search(digest)
    first = name.partition("/")[0]
    kind = "SIFImage" if runtime == "apptainer" else "DockerImage"
    return {
        "additionalType": {"@id": TERMS[kind]}, "name": name, "description": note, "sha256": match[1] if match else None,
        "registry": first if "/" in name and ("." in first or ":" in first or first == "localhost") else None,
    }  # fmt: skip


def _reference(identifier: str) -> dict[str, str] | None:
    return {"@id": identifier} if identifier else None


def _ordered(entity: Mapping[str, Any]) -> dict[str, Any]:
    """The entity with lists of references in the order of what they name, and a single one out of its list."""
    out = dict(entity)
    for key, value in entity.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            found = sorted(value, key=lambda item: str(item["@id"]))
            out[key] = found if len(found) > 1 or key == "hasPart" else found[0]
    return out


def read_me(manifest: Mapping[str, Any], config: Mapping[str, Any], environment: Mapping[str, Any], evidence: str) -> bytes:
    """``README.md`` of a bundle: what it is, for a person who opened the zip file."""
    title = shown(config.get("title") or manifest["name"]).replace("<", "&lt;")
    kit, commit = environment["kit"], environment["kit"].get("commit") or "unknown"
    lines = [
        f"# {title}", "",
        f"One run of {kit['name']} {kit['version']} (commit {commit}): `{manifest['run_id']}`, evidence {evidence}, {manifest['status']}.", "",
        "- `report.html` is the report; `points.parquet` holds its points, `attribution.json` its shares with intervals.",
        "- `config.yaml` is the configuration, `plan.json` what was to be run, `environment.json` where it ran.",
        "- `notebooks/` holds the notebooks as they were executed, `trials/` what every trial gave.",
        "- `ro-crate-metadata.json` describes all files (RO-Crate 1.1, Workflow Run Crate 0.5) with size and SHA-256.", "",
        "`frontier bundle verify FILE.zip` checks every file; `frontier bundle open FILE.zip` unpacks it and draws the report anew. Neither runs",
        "anything of it.", "",
    ]  # fmt: skip
    return "\n".join(lines).encode()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def stated_files(document: Any, *, origin: str) -> tuple[str, dict[str, tuple[str, int]]]:
    """The run's id, and name -> SHA-256 and size, as a crate's description states them.

    Raises
    ------
    RunError
        If it is not the description of a run by this kit.
    """
    where = f"{CRATE} of {origin}"
    graph = document.get("@graph") if isinstance(document, dict) else None
    if not isinstance(graph, list) or not all(isinstance(entity, dict) and isinstance(entity.get("@id"), str) for entity in graph):
        raise RunError(f"{CRATE} has no list of entities under '@graph'", origin=origin)
    by_id: dict[str, dict[str, Any]] = {}
    for entity in graph:
        if by_id.setdefault(entity["@id"], entity) is not entity:
            raise RunError(f"{CRATE} describes {shown(entity['@id'])!r} twice", origin=origin)
    root, head = by_id.get("./", {}), by_id.get(CRATE, {})
    if head.get("about") != {"@id": "./"} or {"@id": CRATE_1_1} not in _listed(head.get("conformsTo")):
        raise RunError(f"{CRATE} is not the description of an RO-Crate 1.1", origin=origin)
    profiles = {item.get("@id") for item in _listed(root.get("conformsTo")) if isinstance(item, dict)}
    if not set(PROFILES) <= profiles:
        raise RunError(f"{CRATE} does not state the profiles {', '.join(PROFILES)}", origin=origin)
    run_id = root.get("identifier")
    if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
        raise RunError("the crate's identifier is not the id of a run", origin=where)
    parts = {item.get("@id") for item in _listed(root.get("hasPart")) if isinstance(item, dict)}
    found: dict[str, tuple[str, int]] = {}
    for identifier, entity in by_id.items():
        if "File" not in _listed(entity.get("@type")):
            continue
        digest, size = str(entity.get("sha256")), str(entity.get("contentSize"))
        if not re.fullmatch("[0-9a-f]{64}", digest) or not re.fullmatch("[0-9]{1,12}", size):
            raise RunError(f"{shown(identifier)!r} is described without its sha256 and contentSize", origin=where)
        found[identifier] = (digest, int(size))
    if set(found) != parts:
        raise RunError(f"the crate's hasPart and its files differ: {listed(sorted(map(str, set(found) ^ parts)))}", origin=where)
    return run_id, found
