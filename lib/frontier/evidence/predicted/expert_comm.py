"""Which all-to-all the experts of a layout use, and whether the wheel has data for it.

Rules of aiconfigurator 0.12.0 (sdk/moe_comm_resolver.py and Task._resolve_moe_comm_backend) for TensorRT-LLM: expert parallelism beyond one
node needs pure expert parallelism, attention data parallelism and all-to-all rows for both phases; within a node such rows are used
where they exist, else the fused expert path.
"""

from __future__ import annotations

from functools import lru_cache

from aiconfigurator_core.sdk import common
from aiconfigurator_core.sdk.models.blocks.moe import LARGE_EP_READY_FAMILIES
from aiconfigurator_core.sdk.operations.moe_comm import MOE_A2A_BACKENDS, nodes_for

from frontier.evidence.predicted.silicon import database, gpus_per_node, model_facts, sm_version
from frontier.evidence.predicted.spaces import Layout

PHASES = ("context", "generation")
# These tables hold one full-node row that the engine scales to more nodes, and marks as substituted.
_NODE_ROW_SCALES = ("trtllm_deepep_ht", "trtllm_deepep_ll")
CommChoice = tuple[tuple[str, str], ...]


@lru_cache(maxsize=128)
def coverage(model_path: str, system: str, backend: str, version: str, moe_mode: str) -> dict[str, dict[str, frozenset[int]]]:
    """Expert-parallel sizes with data, by phase and then by communication backend (in the wheel's order of preference)."""
    facts = model_facts(model_path)
    if not facts.is_moe or facts.family not in LARGE_EP_READY_FAMILIES:
        return {}
    table, mode = database(system, backend, version), common.MoEQuantMode[moe_mode]
    width, sm = gpus_per_node(system), sm_version(system)
    out: dict[str, dict[str, frozenset[int]]] = {}
    for phase in PHASES:
        pairs = table.moe_a2a_coverage(facts.hidden_size, facts.topk, facts.num_experts, mode, phase)
        offered: dict[str, set[int]] = {}
        for name, spec in MOE_A2A_BACKENDS.items():
            if backend not in spec.frameworks or phase not in spec.inference_phases:
                continue
            have = pairs.get(name, set())
            sizes = {ep for ep, nodes in have if nodes == nodes_for(ep, width)}
            if name in _NODE_ROW_SCALES and (width, 1) in have:
                sizes |= {ep for ep in (2**k for k in range(1, 9)) if ep > width}
            offered[name] = {
                ep for ep in sizes if spec.feasible(topk=facts.topk, num_experts=facts.num_experts, moe_tp_size=1, moe_ep_size=ep, sm_version=sm)
            }
        wanted = set().union(*offered.values()) if offered else set()
        if not wanted:
            continue
        shape = (facts.hidden_size, facts.moe_inter_size, facts.topk, facts.num_experts, mode)
        computed = set(table.moe_expert_compute_coverage(*shape, phase))
        if not wanted <= computed:  # the general expert table takes seconds to load; ask it only for what is still missing
            computed |= set(table.legacy_moe_compute_coverage(*shape))
        kept = {name: frozenset(sizes & computed) for name, sizes in offered.items() if sizes & computed}
        if kept:
            out[phase] = kept
    return out


def _phases_needed(role: str) -> tuple[str, ...]:
    # The memory of a worker is sized from its context operations, so also a decode worker needs that phase.
    return PHASES[:1] if role == "prefill" else PHASES


def has_wide_ep(role: str, model_path: str, system: str, backend: str, version: str, moe_mode: str) -> bool:
    """Whether the phases that the role needs are covered for some expert parallelism beyond one node."""
    found = coverage(model_path, system, backend, version, moe_mode)
    width = gpus_per_node(system)
    sizes = [{ep for eps in found.get(phase, {}).values() for ep in eps} for phase in _phases_needed(role)]
    return any(ep > width for ep in set.intersection(*sizes))


def choose_comm(role: str, layout: Layout, model_path: str, system: str, backend: str, version: str, moe_mode: str) -> tuple[CommChoice | None, str]:
    """The all-to-all of a layout, and why it cannot be priced.

    Returns
    -------
    choice : tuple of (phase, backend) pairs, or None for the fused path
    refusal : str
        Empty if the layout can be priced.
    """
    if layout.moe_ep <= 1 or not model_facts(model_path).is_moe:
        return None, ""
    width = gpus_per_node(system)
    across = layout.moe_ep > width
    if layout.moe_tp != 1:
        return None, f"expert parallelism over {layout.moe_ep} GPUs, nodes of {width}, needs moe_tp=1" if across else ""
    chosen: dict[str, str] = {}
    if layout.dp > 1:
        for phase, backends in coverage(model_path, system, backend, version, moe_mode).items():
            for name, sizes in backends.items():
                if layout.moe_ep in sizes:
                    chosen[phase] = name
                    break
    if set(_phases_needed(role)) <= set(chosen):
        return tuple((phase, chosen[phase]) for phase in PHASES if phase in chosen), ""
    return None, f"no all-to-all data for expert parallelism {layout.moe_ep} over nodes of {width} GPUs" if across else ""
