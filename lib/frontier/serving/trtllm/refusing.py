"""What TensorRT-LLM cannot do, said before anything starts."""

from __future__ import annotations

from frontier.catalog import PRECISION_FORMS
from frontier.errors import ConfigError
from frontier.serving.trtllm.keys import front_problems, worker_problems
from frontier.serving.trtllm.levers import Layout, TrtllmKnobs, TrtllmLevers
from frontier.serving.trtllm.worker import front_document, layouts, least_step_tokens, worker_document

NEEDS_MODEL = ("eagle3", "draft_target")


def refusals(levers: TrtllmLevers, knobs: TrtllmKnobs, *, gpus: int, mtp_layers: int = 0, heads: int = 0) -> str:
    """Every reason why this deployment cannot work, joined by "; "; empty if none is known.

    Parameters
    ----------
    levers : TrtllmLevers
    knobs : TrtllmKnobs
    gpus : int
        Of the largest deployment that there is room for.
    mtp_layers : int
        Heads for multi-token prediction in the model.
    heads : int
        Attention heads; 0: not known.
    """
    try:
        chosen = layouts(levers, knobs)
        reasons = [*_precision(levers, knobs), *_drafts(levers, knobs, mtp_layers), *_room(chosen, knobs, gpus, heads), *_steps(levers, knobs)]
        for role in chosen:
            problems = worker_problems(worker_document(levers, knobs, role), knobs.release)
            reasons += [f"{role} worker: {problem}" for problem in problems]
        if levers.disaggregated:
            reasons += [f"front end: {problem}" for problem in _front(levers, knobs)]
    except ConfigError as error:
        return error.message
    return "; ".join(dict.fromkeys(reasons))


def _front(levers: TrtllmLevers, knobs: TrtllmKnobs) -> list[str]:
    """The front end's file with ports in their places."""
    document = {**front_document(levers, knobs), "port": 8000}
    for section in ("context_servers", "generation_servers"):
        document[section] = {**document[section], "urls": [f"127.0.0.1:{8001 + at}" for at, _ in enumerate(document[section]["urls"])]}
    return front_problems(document)


def _precision(levers: TrtllmLevers, knobs: TrtllmKnobs) -> list[str]:
    reasons = []
    native = PRECISION_FORMS[levers.precision_form][2]
    if native is not None and knobs.architecture not in native:
        reasons.append(f"{levers.precision_form} needs {' or '.join(sorted(native))}, the GPU is {knobs.architecture}")
    if knobs.kv_precision == "nvfp4" and knobs.architecture != "blackwell":
        reasons.append(f"a KV cache in nvfp4 needs blackwell, the GPU is {knobs.architecture}")
    return reasons


def _drafts(levers: TrtllmLevers, knobs: TrtllmKnobs, mtp_layers: int) -> list[str]:
    reasons = []
    if levers.draft_kind == "mtp" and mtp_layers == 0:
        reasons.append("the model has no head for multi-token prediction; eagle3, ngram and draft_target need none")
    if levers.draft_kind in NEEDS_MODEL and not knobs.draft_model:
        reasons.append(f"{levers.draft_kind} needs engine.draft_model")
    if knobs.forced_acceptance is not None and knobs.forced_acceptance < 0:
        reasons.append(f"forced acceptance must be at least 0 drafts, got {knobs.forced_acceptance:g}")
    if knobs.forced_acceptance is not None and levers.draft_len and knobs.forced_acceptance > levers.draft_len:
        reasons.append(f"forced acceptance of {knobs.forced_acceptance:g} drafts is more than the {levers.draft_len} that are drafted")
    return reasons


def _room(chosen: dict[str, tuple[Layout, int]], knobs: TrtllmKnobs, gpus: int, heads: int) -> list[str]:
    reasons = []
    needed = sum(layout.gpus * count for layout, count in chosen.values())
    if needed > gpus:
        reasons.append(f"needs {needed} GPUs, there are {gpus}")
    for role, (layout, count) in chosen.items():
        if count < 1:
            reasons.append(f"{role}: at least one worker is needed, got {count}")
        if layout.ep > 1 and not knobs.moe:
            reasons.append(f"{layout.name} spreads experts, and the model has none")
        if heads and not layout.attention_dp and heads % layout.tp:
            reasons.append(f"tp {layout.tp} does not divide the model's {heads} attention heads")
    return reasons


def _steps(levers: TrtllmLevers, knobs: TrtllmKnobs) -> list[str]:
    least = least_step_tokens(levers, knobs)
    if knobs.max_num_tokens and not levers.disaggregated and knobs.max_num_tokens < least:
        return [f"max_num_tokens {knobs.max_num_tokens} leaves no room for drafts beside a prompt: at least {least} are needed"]
    return []
