"""What an engine is here: a checkpoint, the configuration that serves it, and the image it runs in; built once per content.

Since 1.3 TensorRT-LLM builds no engine file: weights are loaded, kernels tuned and graphs captured when a server starts. So an engine is a manifest
of all that decides what is served. Up to 1.2 a serialized engine can be built beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from frontier import processes
from frontier.builds.weights import Weights
from frontier.errors import ConfigError, RunError

SCHEMA, MANIFEST, SERIALIZED, LOG = "frontier.engine/1", "engine.json", "serialized", "build.log"


@dataclass(frozen=True)
class Built:
    """An engine that is there.

    Attributes
    ----------
    folder : Path
        In the cache, named by the digest.
    manifest : mapping
        ``frontier.engine/1``.
    reused : bool
        It was there before.
    """

    folder: Path
    manifest: Mapping[str, Any]
    reused: bool

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what decides it."""
        return str(self.manifest["digest"])


def identity(weights: Weights, form: str, kv_precision: str, release: str, image: str, workers: Mapping[str, Any]) -> dict[str, Any]:
    """All that decides an engine; equal identities are one engine."""
    return {
        "schema": SCHEMA,
        "engine": "trtllm",
        "release": release,
        "image": image,
        "precision": {"weights": form, "algorithm": weights.algorithm, "kv_cache": kv_precision, "kv_algorithm": weights.kv_algorithm},
        "architecture": weights.architecture,
        "files": {name: dict(fact) for name, fact in sorted(weights.files.items())},
        "workers": dict(workers),
    }


def build_engine(
    weights: Weights,
    named: str,
    decides: Mapping[str, Any],
    cache: Path,
    *,
    serialize: Sequence[str | Path] = (),
    timeout_s: float = 7200.0,
    tell: Callable[[str], None] | None = None,
) -> Built:
    """The engine of an identity, from the cache or built now; an interrupted build is never taken for one.

    Parameters
    ----------
    weights : Weights
    named : str
        Folder or id under which the checkpoint was asked for.
    decides : mapping
        :func:`identity`.
    cache : Path
        Gets a folder named by the digest.
    serialize : sequence of str or Path
        Command that writes a serialized engine into the folder ``{engine}``; none by default.
    timeout_s : float, seconds
        For that command.
    tell : callable, optional
        Gets a line of progress.

    Raises
    ------
    RunError
        If the command fails or takes too long, or the disk is full; nothing is left then but the log.
    """
    digest = hashlib.sha256(json.dumps({**decides, "serialized": bool(serialize)}, sort_keys=True).encode()).hexdigest()
    folder = cache / digest[:16]
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f".{digest[:16]}.lock"):
            there = _read(folder, digest)
            if there is not None:
                return Built(folder, there, reused=True)
            stage = cache / f".building-{digest[:16]}"
            for left in (stage, folder):
                shutil.rmtree(left, ignore_errors=True)
            stage.mkdir()
            try:
                began = time.monotonic()
                made = _serialized(serialize, stage, cache / f"{digest[:16]}.{LOG}", timeout_s, tell) if serialize else None
                manifest = {
                    **decides,
                    "digest": digest,
                    "checkpoint": {"named": named, "revision": weights.revision, "bytes": weights.bytes},
                    "serialized": made,
                    "built_in_s": round(time.monotonic() - began, 3),
                    "bytes": weights.bytes + (made["bytes"] if made else 0),
                }
                _write(stage / MANIFEST, json.dumps(manifest, indent=1) + "\n")
                stage.rename(folder)
            finally:
                shutil.rmtree(stage, ignore_errors=True)
    except OSError as cause:
        message = f"cannot write the engine: {cause.strerror or cause}"
        raise RunError(message, origin=str(cache), hint="free space, or paths.cache_dir=FOLDER") from cause
    return Built(folder, manifest, reused=False)


def serialize_command(bin_folder: str, model: str, folder: str, layout: tuple[int, int], max_batch_size: int, max_num_tokens: int) -> list[str]:
    """The command of releases up to 1.2 that builds a serialized engine from a checkpoint: ``trtllm-bench build``.

    Parameters
    ----------
    bin_folder : str
        Where the commands of the environment are.
    model, folder : str
        Id of the model, and the checkpoint's folder.
    layout : (int, int)
        Tensor- and pipeline-parallel degrees.
    max_batch_size, max_num_tokens : int
    """
    words = [f"{bin_folder}/trtllm-bench", "--model", model, "--model_path", folder, "--workspace", "{engine}", "build"]
    sizes = ["--max_batch_size", str(max_batch_size), "--max_num_tokens", str(max_num_tokens)]
    return [*words, "--tp_size", str(layout[0]), "--pp_size", str(layout[1]), *sizes]


def refuse_serialized(release: str, allowed: bool) -> None:
    """Say that a release builds no engine file.

    Raises
    ------
    ConfigError
        Unless ``allowed``.
    """
    if not allowed:
        message = f"engine.serialized: TensorRT-LLM {release} has no serialized engines, they ended with 1.2"
        raise ConfigError(message, origin="engine.serialized", hint="engine.serialized=false, or engine.release=1.2.1")


def _serialized(command: Sequence[str | Path], stage: Path, log: Path, timeout_s: float, tell: Callable[[str], None] | None) -> dict[str, Any]:
    target = stage / SERIALIZED
    target.mkdir()
    words = [str(word).replace("{engine}", str(target.absolute())) for word in command]
    if tell is not None:
        tell(" ".join(words))
    processes.run_to_end(words, "the build", log=log, timeout_s=timeout_s)
    files = [file for file in target.rglob("*") if file.is_file()]
    if not files:
        raise RunError("the build ended well and wrote nothing", origin=str(log))
    sizes = {str(file.relative_to(target)): file.stat().st_size for file in files}
    return {"command": [str(word) for word in command], "files": sizes, "bytes": sum(sizes.values())}


def _read(folder: Path, digest: str) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("digest") == digest else None


def _write(file: Path, text: str) -> None:
    with file.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
