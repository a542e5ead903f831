"""Post-training quantization with ModelOpt: a plain checkpoint in, one that TensorRT-LLM and vLLM load out; kept under what decides it."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from frontier import processes
from frontier.checkpoints.folder import Checkpoint, complete, read_checkpoint
from frontier.errors import ConfigError, RunError
from frontier.tools import Tool

FORMS = ("fp8", "nvfp4", "int8", "int4_awq")
KV_FORMS = ("", "fp8", "nvfp4")
SCRIPT = Path(__file__).parent / "inside" / "modelopt_export.py"
QUANT = "hf_quant_config.json"
# What ModelOpt writes as quant_algo for a form.
ALGORITHMS = {"fp8": "FP8", "nvfp4": "NVFP4", "int8": "W8A8_SQ_PER_CHANNEL", "int4_awq": "W4A16_AWQ"}


@dataclass(frozen=True)
class PostTraining:
    """How a checkpoint is quantized.

    Attributes
    ----------
    form : str
        One of ``FORMS``: weights and activations; ``int4_awq`` weights alone.
    kv : str
        Form of the KV cache, one of ``KV_FORMS``; empty: not quantized.
    samples, tokens : int
        Rows of the calibration data and their length.
    seed : int
        Of the order in which texts are taken.
    """

    form: str
    kv: str = ""
    samples: int = 64
    tokens: int = 256
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what there is not."""
        if self.form not in FORMS:
            raise ConfigError(f"ModelOpt makes the forms {', '.join(FORMS)}, got {self.form!r}", hint=f"--form {FORMS[0]}")
        if self.kv not in KV_FORMS:
            raise ConfigError(f"the KV cache's form must be one of {', '.join(KV_FORMS[1:])} or nothing, got {self.kv!r}")
        for name in ("samples", "tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")


def post_training(
    folder: Path, how: PostTraining, texts: Path, cache: Path, tool: Tool, *, name: str = "", timeout_s: float = 7200.0
) -> Checkpoint:
    """The quantized checkpoint, from the cache or made now.

    Parameters
    ----------
    folder : Path
        Plain checkpoint in Hugging Face form.
    how : PostTraining
    texts : Path
        Calibration data: one ``{"text": ...}`` per line.
    cache : Path
    tool : Tool
        ModelOpt's environment.
    name : str
        What the cache calls it; by default the folder's name.
    timeout_s : float, seconds

    Raises
    ------
    RunError
        If the quantization fails, or what it exported is not what was asked for; its log stays in the cache.
    """
    inputs = {
        "how": asdict(how),
        "config": _sha256(folder / "config.json"),
        "weights": {file.name: _sha256(file) for file in sorted(folder.glob("*.safetensors"))},
        "texts": _sha256(texts),
        "tool": dict(tool.versions),
        "script": _sha256(SCRIPT),
    }
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]
    kept = f"{name or folder.name}-{how.form}{f'-kv{how.kv}' if how.kv else ''}-{digest}"
    log = cache / f"{kept}.log"

    def build(stage: Path) -> dict[str, Any]:
        out = stage / "export"
        words: list[str | Path] = ["--model", folder, "--form", how.form, "--out", out, "--texts", texts]
        words += ["--samples", str(how.samples), "--tokens", str(how.tokens), "--seed", str(how.seed), *(["--kv", how.kv] if how.kv else [])]
        processes.run_to_end([tool.python, "-I", SCRIPT, *words], "ModelOpt", log=log, timeout_s=timeout_s)
        report = _checked(out, how, log)
        for file in out.iterdir():
            shutil.move(file, stage / file.name)
        out.rmdir()
        return {"name": kept, "form": how.form, "made_from": folder.name, "how": asdict(how), "tool": dict(tool.versions), **report}

    return read_checkpoint(cache / kept) or complete(cache, kept, build)


def _checked(out: Path, how: PostTraining, log: Path) -> dict[str, Any]:
    """What the export says of itself; its words, its scales and its size."""
    try:
        said = json.loads((out / QUANT).read_text(encoding="utf-8"))["quantization"]
        algorithm, kv = said.get("quant_algo"), said.get("kv_cache_quant_algo")
    except (OSError, ValueError, KeyError, AttributeError) as cause:
        raise RunError(f"ModelOpt exported no readable {QUANT}: {cause}", origin=str(log)) from cause
    if algorithm != ALGORITHMS[how.form]:
        raise RunError(f"ModelOpt exported {algorithm}, {how.form} is {ALGORITHMS[how.form]}", origin=str(log))
    if how.kv and str(kv).lower() != how.kv:
        raise RunError(f"ModelOpt exported a KV cache in {kv}, asked for {how.kv}", origin=str(log))
    scales = sum(key.endswith("_scale") for file in out.glob("*.safetensors") for key in _keys(file))
    if scales == 0:
        raise RunError("ModelOpt exported weights without a single scale", origin=str(log))
    size = sum(file.stat().st_size for file in out.glob("*.safetensors"))
    return {"algorithm": algorithm, "kv_algorithm": kv, "scales": scales, "weight_bytes": size}


def _keys(file: Path) -> list[str]:
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        return [key for key in json.loads(stream.read(length)) if key != "__metadata__"]


def _sha256(file: Path) -> str:
    total = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 24):
            total.update(chunk)
    return total.hexdigest()
