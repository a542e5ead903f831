"""What does not work where, said before anything starts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from frontier.errors import ConfigError
from frontier.serving.vllm import DRAFT_KINDS, MAX_DRAFT_LEN, VllmKnobs, VllmLevers, devices

HOPPER, BLACKWELL = (9, 0), (10, 0)


@dataclass(frozen=True)
class CheckpointFacts:
    """What a checkpoint's ``config.json`` says.

    Attributes
    ----------
    architecture : str
    mtp_layers : int
        Heads for multi-token prediction; 0 without one.
    quantization : str
        Method of a quantized checkpoint; empty for plain weights.
    max_tokens : int
        Longest sequence.
    heads, kv_heads : int
        Attention heads and key-value heads; 0 where the file does not say.
    experts : int
        Of each mixture; 0 for a dense model.
    """

    architecture: str
    mtp_layers: int
    quantization: str
    max_tokens: int
    heads: int
    kv_heads: int
    experts: int = 0


def checkpoint_facts(folder: Path) -> CheckpointFacts:
    """Read a checkpoint's ``config.json``.

    Raises
    ------
    ConfigError
        If the folder has none, or it is no configuration of a model.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        quantized = config.get("quantization_config") or {}
        heads = int(config.get("num_attention_heads", 0))
        return CheckpointFacts(
            architecture=str((config.get("architectures") or [""])[0]),
            mtp_layers=int(config.get("num_nextn_predict_layers") or config.get("mtp_num_hidden_layers") or 0),
            quantization=str(quantized.get("quant_method", "")),
            max_tokens=int(config["max_position_embeddings"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads", heads)),
            experts=int(config.get("num_experts") or config.get("n_routed_experts") or config.get("num_local_experts") or 0),
        )
    except FileNotFoundError:
        raise ConfigError(f"{folder} is no checkpoint: it has no config.json", hint="frontier checkpoint make NAME") from None
    except (json.JSONDecodeError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} is no model's configuration: {type(error).__name__}: {error}") from error


def refusals(
    levers: VllmLevers,
    knobs: VllmKnobs,
    *,
    cores: int = 0,
    gpus: int = 0,
    capability: tuple[int, int] = (0, 0),
    checkpoint: CheckpointFacts | None = None,
) -> str:
    """Every reason why this deployment cannot work, joined by "; "; empty if none is known.

    Parameters
    ----------
    levers : VllmLevers
    knobs : VllmKnobs
    cores, gpus : int
        What there is to compute on, for the knobs' platform.
    capability : (int, int)
        The GPUs' compute capability; the lowest, where they differ.
    checkpoint : CheckpointFacts, optional
        Of ``knobs.model_path``; without it nothing is said about the model.
    """
    reasons = [*_precision(levers, knobs, capability), *_drafts(levers, knobs), *_layout(levers, knobs, cores, gpus)]
    return "; ".join([*reasons, *(_model(levers, knobs, checkpoint) if checkpoint else [])])


def _precision(levers: VllmLevers, knobs: VllmKnobs, capability: tuple[int, int]) -> list[str]:
    form = levers.precision_form
    if knobs.platform == "cpu":
        return [f"{form} is for GPUs here: such weights were not found to serve on vLLM's CPU build"] if form in ("fp8", "nvfp4") else []
    if form == "w8a16_int8":
        return ["w8a16_int8 is made while loading on the CPU only; on a GPU use w8a8_int8 or fp8"]
    least = {"fp8": HOPPER, "nvfp4": BLACKWELL}.get(form, (0, 0))
    if capability < least:
        return [f"{form} needs compute capability {least[0]}.{least[1]} or more, this GPU has {capability[0]}.{capability[1]}"]
    return []


def _drafts(levers: VllmLevers, knobs: VllmKnobs) -> list[str]:
    if levers.drafts and knobs.synthetic_acceptance and knobs.platform == "cpu":
        return ["synthetic acceptance needs a GPU: vLLM's CPU build has no kernel for it"]
    if (levers.draft_kind == "none") != (levers.draft_len == 0):
        return [f"draft_kind {levers.draft_kind} and draft_len {levers.draft_len} contradict each other; kinds: {', '.join(DRAFT_KINDS)}"]
    most = MAX_DRAFT_LEN.get(levers.draft_kind, 0)
    return [f"{levers.draft_kind} drafts at most {most} tokens, got {levers.draft_len}"] if levers.draft_len > most else []


def _layout(levers: VllmLevers, knobs: VllmKnobs, cores: int, gpus: int) -> list[str]:
    reasons = []
    held = devices(levers, knobs)
    on_cpu = knobs.platform == "cpu"
    needed, there, unit = (held * knobs.cores_per_device, cores, "cores") if on_cpu else (held, gpus, "GPUs")
    if needed > there:
        reasons.append(f"needs {needed} {unit}, there are {there}")
    if levers.disaggregated and levers.dp > 1:
        reasons.append("disaggregation has one prefill and one decode server here, so dp must be 1")
    return reasons


def _model(levers: VllmLevers, knobs: VllmKnobs, checkpoint: CheckpointFacts) -> list[str]:
    reasons = []
    if levers.draft_kind == "mtp" and checkpoint.mtp_layers == 0:
        reasons.append(f"{checkpoint.architecture} at {knobs.model_path} has no head for multi-token prediction")
    form, quantized = levers.precision_form, checkpoint.quantization
    if form in ("w8a8_int8", "nvfp4") and not quantized:
        reasons.append(f"{form} needs a quantized checkpoint, {knobs.model_path} has plain weights")
    if form == "w8a16_int8" and not checkpoint.experts:
        reasons.append("w8a16_int8 quantizes experts only and would leave this dense model in bf16, unnoticed; use w8a8_int8")
    if form in ("bf16", "w8a16_int8") and quantized:
        reasons.append(f"{form} needs plain weights, {knobs.model_path} is quantized ({quantized})")
    if knobs.max_model_len > checkpoint.max_tokens:
        reasons.append(f"max_model_len {knobs.max_model_len} is more than the model's {checkpoint.max_tokens}")
    if checkpoint.heads and checkpoint.heads % levers.tp:
        reasons.append(f"tp {levers.tp} does not divide the model's {checkpoint.heads} attention heads")
    return reasons
