"""A checkpoint on disk: whether it is whole, in which precision it is, and what identifies it."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier.errors import ConfigError, RunError

INDEX, SINGLE, CONFIG, QUANT = "model.safetensors.index.json", "model.safetensors", "config.json", "hf_quant_config.json"
HEADER_LIMIT = 100_000_000  # bytes; safetensors' own limit
CHUNK = 1 << 24
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
# Precision form -> what a checkpoint in it says of itself, lower case: ModelOpt's quant_algo, else the quant_method of config.json.
ALGORITHMS = {
    "bf16": ("",),
    "fp8": ("fp8",),
    "fp8_block": ("fp8_block_scales", "fp8", "fp8_pb_wo"),
    "nvfp4": ("nvfp4", "nvfp4_awq"),
    "int8": ("int8", "w8a8_sq_per_channel", "int8_sq"),
    "w8a16_int8": ("w8a16",),
    "w4a16_mxfp4": ("mxfp4",),
    "w4a8_mxfp4_mxfp8": ("mxfp4",),
}


@dataclass(frozen=True)
class Weights:
    """A whole checkpoint.

    Attributes
    ----------
    folder : Path
    architecture : str
        Of ``config.json``.
    algorithm : str
        How it is quantized, by its own word and in lower case; empty for plain weights.
    kv_algorithm : str
        The same of the KV cache it is meant for.
    revision : str
        Commit of a downloaded checkpoint; empty where it is not known.
    files : mapping of str to dict
        Name -> ``bytes`` and ``sha256`` of every file that decides what it computes.
    """

    folder: Path
    architecture: str
    algorithm: str
    kv_algorithm: str
    revision: str
    files: Mapping[str, Mapping[str, Any]]

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(int(fact["bytes"]) for fact in self.files.values())


def read_weights(folder: Path, form: str = "", *, tell: Callable[[str], None] | None = None) -> Weights:
    """Look at a checkpoint's files.

    Parameters
    ----------
    folder : Path
    form : str
        Precision form that it should be in; empty: not looked at.
    tell : callable, optional
        Gets a line for every file that is hashed.

    Raises
    ------
    RunError
        If it is not there, a shard is missing, or a file is shorter than its header says.
    ConfigError
        If it is in another precision.
    """
    config = _config(folder)
    shards = _shards(folder)
    for shard in shards:
        _check_whole(shard)
    algorithm, kv_algorithm = _algorithms(folder, config)
    if form and algorithm not in ALGORITHMS.get(form, (algorithm,)):
        has = algorithm or "plain weights"
        raise ConfigError(f"the checkpoint named for {form} holds {has}", origin=str(folder), hint=f"model.checkpoints.{form}=another folder or id")
    extra = [folder / name for name in (CONFIG, QUANT, INDEX, "generation_config.json", "tokenizer.json", "tokenizer_config.json")]
    files = {}
    for file in [*shards, *(file for file in extra if file.is_file())]:
        if tell is not None:
            tell(f"{file.name}: {file.stat().st_size / 2**30:.1f} GiB")
        files[file.name] = {"bytes": file.stat().st_size, "sha256": _sha256(file)}
    architecture = str((config.get("architectures") or [""])[0])
    return Weights(folder, architecture, algorithm, kv_algorithm, _revision(folder), files)


def _config(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise TypeError("it is no object")
    except FileNotFoundError:
        raise RunError(f"no checkpoint in {folder}: it has no {CONFIG}", origin=str(folder)) from None
    except (OSError, ValueError, TypeError) as cause:
        raise RunError(f"{CONFIG} cannot be read: {cause}", origin=str(folder / CONFIG)) from cause
    return found


def _shards(folder: Path) -> list[Path]:
    """The files with weights, by the index where there is one."""
    index = folder / INDEX
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError, TypeError) as cause:
            raise RunError(f"{INDEX} cannot be read: {cause}", origin=str(index)) from cause
    else:
        names = [SINGLE] if (folder / SINGLE).is_file() else sorted(file.name for file in folder.glob("*.safetensors"))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        shown = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
        raise RunError(f"{len(missing)} of {len(names)} files with weights are missing: {shown}", origin=str(folder), hint="download it again")
    if not names:
        raise RunError("no weights: there is no file .safetensors", origin=str(folder))
    return [folder / name for name in names]


def _check_whole(file: Path) -> None:
    """A safetensors file is as long as its header says; nothing but the header is read."""
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(HEADER_LIMIT, size):
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(stream.read(length))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    except (struct.error, ValueError, KeyError, TypeError, IndexError, AttributeError) as cause:
        raise RunError(f"{file.name} is no whole safetensors file: {cause}", origin=str(file), hint="download it again") from cause
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        message = f"{file.name} has {size} bytes, its header says {expected}: it is truncated or damaged"
        raise RunError(message, origin=str(file), hint="download it again")


def _algorithms(folder: Path, config: Mapping[str, Any]) -> tuple[str, str]:
    """How weights and KV cache are quantized, by the checkpoint's own words."""
    file = folder / QUANT
    if file.is_file():
        try:
            said = json.loads(file.read_text(encoding="utf-8"))["quantization"]
            return str(said.get("quant_algo") or "").lower(), str(said.get("kv_cache_quant_algo") or "").lower()
        except (ValueError, KeyError, AttributeError, TypeError) as cause:
            raise RunError(f"{QUANT} cannot be read: {cause}", origin=str(file)) from cause
    said = config.get("quantization_config") or {}
    word = said.get("quant_algo") or said.get("quant_method") or ""
    blocks = "weight_block_size" in said and str(word).lower() == "fp8"
    return "fp8_block_scales" if blocks else str(word).lower(), str(said.get("kv_cache_quant_algo") or "").lower()


def _revision(folder: Path) -> str:
    """Commit of a folder in the hub's cache: ``snapshots/<commit>``."""
    return folder.name if folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name) else ""


def _sha256(file: Path) -> str:
    """SHA-256 (hex); of a file in the hub's cache the name of its blob, which is that."""
    target = file.resolve()
    if target.parent.name == "blobs" and _SHA256.fullmatch(target.name):
        return target.name
    total = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            total.update(chunk)
    return total.hexdigest()
