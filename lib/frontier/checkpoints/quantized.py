"""Eight-bit forms of a checkpoint that was made here: one rounding per weight, no calibration."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from frontier.checkpoints.folder import INSTALL, Checkpoint, complete, read_checkpoint
from frontier.errors import ConfigError, MachineError

FORMS = ("int8",)
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
WEIGHTS = "model.safetensors"
TOP = 127  # largest magnitude of a symmetric 8-bit integer


def quantized(checkpoint: Checkpoint, form: str, cache: Path) -> Checkpoint:
    """The checkpoint in another precision form, from the cache or made now (about a second).

    Parameters
    ----------
    checkpoint : Checkpoint
        With plain weights in one file.
    form : str
        ``int8``: weights of the decoder's linear layers as 8-bit integers with one scale per output channel, activations as 8-bit integers with
        one scale per token, found as they pass (compressed-tensors' ``int-quantized``).
    cache : Path

    Raises
    ------
    ConfigError
        If there is no such form.
    MachineError
        If torch or safetensors is not installed.
    RunError
        If the cache cannot be written.

    Notes
    -----
    Round to nearest: q = clip(round(w / s), -127, 127) with s = max |w| / 127 over each output channel.
    """
    if form not in FORMS:
        raise ConfigError(
            f"a checkpoint made here has the precision forms bf16, {', '.join(FORMS)}, got {form!r}", hint=f"one of: bf16, {', '.join(FORMS)}"
        )
    name = f"{checkpoint.path.name}-{form}-{hashlib.sha256(json.dumps(_scheme(0)).encode()).hexdigest()[:8]}"
    return read_checkpoint(cache / name) or complete(cache, name, lambda stage: _build(stage, checkpoint, form))


def _build(stage: Path, checkpoint: Checkpoint, form: str) -> dict[str, Any]:
    """Fill the staging folder; returns the report."""
    try:
        import torch  # an extra, and seconds to load
        from safetensors.torch import load_file, save_file
    except ImportError as cause:
        raise MachineError(f"quantizing a checkpoint needs {cause.name}, which is not installed", hint=INSTALL) from cause
    plain = load_file(checkpoint.path / WEIGHTS)
    out: dict[str, Any] = {}
    errors: list[float] = []
    for key, weight in plain.items():
        stem = key.removesuffix(".weight")
        if key == stem or not stem.endswith(LINEAR) or "mtp_layers" in key:
            out[key] = weight
            continue
        full = weight.float()
        scale = full.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny) / TOP
        whole = (full / scale).round().clamp(-TOP, TOP)
        errors.append(float((whole * scale - full).norm() / full.norm()))
        out[key] = whole.to(torch.int8).contiguous()
        out[f"{key}_scale"] = scale.to(torch.float32)
    save_file(out, stage / WEIGHTS, metadata={"format": "pt"})
    config = json.loads((checkpoint.path / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = _scheme(int(config["num_hidden_layers"]))
    (stage / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    for file in checkpoint.path.iterdir():
        if file.name not in (WEIGHTS, "config.json", "checkpoint.json"):
            shutil.copyfile(file, stage / file.name)
    return {
        "name": f"{checkpoint.report.get('name', checkpoint.path.name)}-{form}",
        "form": form,
        "made_from": checkpoint.digest,
        "quantized_layers": len(errors),
        "mean_relative_weight_error": sum(errors) / len(errors) if errors else None,
    }


def _scheme(layers: int) -> dict[str, Any]:
    """``quantization_config`` of compressed-tensors for 8-bit weights by channel and activations by token, of a decoder of so many layers.

    Notes
    -----
    The MTP head and the output layer stay as they are: they are read once a step, and drafts need to agree with what they were trained for. vLLM
    (0.32, ``mimo_mtp.py``) builds the head as one more layer behind the last and looks it up under that name, so both names are left out: under
    the checkpoint's own name alone its weights were cut to whole numbers, and no launch accepted as many drafts as another.
    """
    whole = {"num_bits": 8, "type": "int", "symmetric": True}
    weights = {**whole, "strategy": "channel", "dynamic": False}
    activations = {**whole, "strategy": "token", "dynamic": True}
    return {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head", "re:.*mtp_layers.*", rf"re:.*\.layers\.{layers}\..*"],
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": activations}},
    }
