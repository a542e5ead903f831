"""Named search spaces: which parallel layouts a worker may take.

``tp_only``      tensor parallelism 1, 2, 4, 8 inside one scale-up domain; no pipeline, expert or attention-data parallelism.
``tp8``          tensor parallelism 8 and nothing else.
``node``         tensor, pipeline, expert and attention-data parallelism over at most 8 GPUs per worker.
``domain``       what ``task_default`` lists, workers limited to the scale-up (NVLink) domain.
``task_default`` the lists that ``Task`` of aiconfigurator 0.12.0 (sdk/task_v2.py: _resolve_agg_search, build_disagg_parallel_lists,
                 _apply_large_pipeline_parallel) gives a TensorRT-LLM deployment of ``total_gpus=max_gpus``: powers of two up to 8 (16 for
                 MoE models and for dense models on NVL72 systems), and up to 64 where all-to-all data cover wide expert parallelism.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from frontier.errors import ConfigError

SEARCH_SPACES = ("tp_only", "tp8", "node", "domain", "task_default")
NODE_GPUS = 8
_RACK_SYSTEMS = ("gb200", "gb300")
_EXTRA_PIPELINE_FAMILIES = ("DEEPSEEKV32", "DEEPSEEKV4")
_TO_8 = (1, 2, 4, 8)
_TO_16 = (1, 2, 4, 8, 16)


@dataclass(frozen=True, order=True)
class Layout:
    """Parallel layout of one worker: attention side ``tp x dp`` (times ``pp`` stages), experts ``moe_tp x moe_ep``."""

    tp: int
    pp: int = 1
    dp: int = 1
    moe_tp: int = 1
    moe_ep: int = 1

    @property
    def gpus(self) -> int:
        """GPUs that one worker holds."""
        return self.tp * self.pp * self.dp

    @property
    def label(self) -> str:
        """Short name, sorted as the upper package sorts its categories."""
        return f"tp{self.tp}pp{self.pp}dp{self.dp}etp{self.moe_tp}ep{self.moe_ep}"


@dataclass(frozen=True)
class _Lists:
    gpus: Sequence[int]
    tp: Sequence[int]
    pp: Sequence[int] = (1,)
    dp: Sequence[int] = (1,)
    moe_tp: Sequence[int] = (1,)
    moe_ep: Sequence[int] = (1,)

    def union(self, other: _Lists) -> _Lists:
        return _Lists(*(sorted({*getattr(self, name), *getattr(other, name)}) for name in ("gpus", "tp", "pp", "dp", "moe_tp", "moe_ep")))


def layouts(
    space: str, role: str, *, is_moe: bool, family: str, system: str, max_gpus: int, domain_gpus: int, wide_ep: bool, blackwell: bool
) -> tuple[Layout, ...]:
    """All layouts of a role in a search space, in the order of the upper package's enumeration.

    Parameters
    ----------
    space : str
        One of ``SEARCH_SPACES``.
    role : str
        ``aggregated``, ``prefill`` or ``decode``.
    max_gpus, domain_gpus : int
        GPU budget of the deployment; GPUs of the scale-up domain.
    wide_ep : bool
        Whether the all-to-all data cover expert parallelism beyond one node for this model and system.
    blackwell : bool
        Whether the GPU is Blackwell or newer.

    Raises
    ------
    ConfigError
        For an unknown space, or one that leaves no layout within the budget.
    """
    if space not in SEARCH_SPACES:
        raise ConfigError(f"search_space must be one of {', '.join(SEARCH_SPACES)}, got {space!r}", hint="search_space=node")
    limit = max_gpus if space == "task_default" else min(max_gpus, domain_gpus)
    if space in ("tp_only", "tp8"):
        sizes = _TO_8 if space == "tp_only" else (8,)
        lists = _Lists(gpus=sizes, tp=sizes, moe_tp=sizes if is_moe else (1,))
    elif space == "node":
        wide = _TO_8 if is_moe else (1,)
        lists = _Lists(gpus=_TO_8, tp=_TO_8, pp=_TO_8, dp=wide, moe_tp=wide, moe_ep=wide)
        limit = min(limit, NODE_GPUS)
    else:
        lists = _task_lists(role, is_moe, family, system, max_gpus, wide_ep, blackwell)
    found = tuple(_enumerate(lists, is_moe, limit))
    if not found:
        raise ConfigError(
            f"search_space {space!r} has no layout within {limit} GPUs (max_gpus={max_gpus}, domain_gpus={domain_gpus})",
            hint="raise max_gpus, or take search_space=tp_only",
        )
    return found


def _task_lists(role: str, is_moe: bool, family: str, system: str, max_gpus: int, wide_ep: bool, blackwell: bool) -> _Lists:
    if not is_moe:
        sizes = _TO_16 if system in _RACK_SYSTEMS else _TO_8
        return _Lists(gpus=sizes, tp=sizes)
    lists = _Lists(gpus=_TO_16, tp=_TO_16, dp=_TO_16, moe_tp=_TO_16, moe_ep=_TO_16)
    if wide_ep:
        wide = {"aggregated": (2, 4, 8, 16, 32, 64), "prefill": (4, 8, 16, 32), "decode": (4, 8, 16, 32, 64)}[role]
        lists = lists.union(_Lists(gpus=wide, tp=_TO_8, dp=wide, moe_ep=wide))
    if blackwell and family in _EXTRA_PIPELINE_FAMILIES and max_gpus >= 16:
        lists = lists.union(_Lists(gpus=(16,), tp=(8,), pp=(2,), dp=(1,), moe_tp=_TO_8, moe_ep=_TO_8))
    return lists


def _enumerate(lists: _Lists, is_moe: bool, limit: int) -> Iterable[Layout]:
    for tp in lists.tp:
        for pp in lists.pp:
            if not is_moe:
                if tp * pp in lists.gpus and tp * pp <= limit:
                    yield Layout(tp, pp)
                continue
            for dp in lists.dp:
                # TensorRT-LLM has no attention that is tensor-parallel and data-parallel at once.
                if tp * pp * dp not in lists.gpus or tp * pp * dp > limit or (tp > 1 and dp > 1):
                    continue
                for moe_tp in lists.moe_tp:
                    for moe_ep in lists.moe_ep:
                        if tp * dp == moe_tp * moe_ep:
                            yield Layout(tp, pp, dp, moe_tp, moe_ep)
