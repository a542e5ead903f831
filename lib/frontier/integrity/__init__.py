"""Integrity checks on a points table: each marks rows and says why; none drops one."""

from frontier.integrity.accuracy_gate import ACCURACY_GATE, accuracy_gate
from frontier.integrity.broken_rows import BROKEN_ROWS, broken_rows
from frontier.integrity.check import Check
from frontier.integrity.columns import SERIES
from frontier.integrity.completions import COMPLETIONS, completions
from frontier.integrity.denominators import DENOMINATORS, denominators
from frontier.integrity.drift import DRIFT, drift, drifts
from frontier.integrity.duplicates import DUPLICATES, duplicates
from frontier.integrity.gpu_count import GPU_COUNT, gpu_count
from frontier.integrity.label_contradicted import LABEL_CONTRADICTED, label_contradicted
from frontier.integrity.latency_sums import LATENCY_SUMS, latency_sums
from frontier.integrity.little_law import LITTLE_LAW, little_law
from frontier.integrity.memory import remembering
from frontier.integrity.metadata_only import METADATA_ONLY, metadata_only
from frontier.integrity.mixed_images import MIXED_IMAGES, mixed_images
from frontier.integrity.stale import STALE, stale
from frontier.integrity.steady import little_ratio, steady_ratio
from frontier.integrity.token_counts import TOKEN_COUNTS, token_counts
from frontier.integrity.ttft_vs_load import TTFT_VS_LOAD, ttft_vs_load
from frontier.integrity.warmup import WARMUP, without_warmup

# In the order in which corrections are put together: the denominator first, because Little's law is read through it.
_ALL = (
    BROKEN_ROWS, DUPLICATES, ACCURACY_GATE, GPU_COUNT, DENOMINATORS, TOKEN_COUNTS, LITTLE_LAW, WARMUP, TTFT_VS_LOAD, COMPLETIONS,
    LABEL_CONTRADICTED, LATENCY_SUMS, STALE, MIXED_IMAGES, METADATA_ONLY, DRIFT,
)  # fmt: skip
CHECKS: dict[str, Check] = {check.name: check for check in _ALL}

__all__ = [
    "CHECKS", "SERIES", "Check", "accuracy_gate", "broken_rows", "completions", "denominators", "drift", "drifts", "duplicates", "gpu_count",
    "label_contradicted", "latency_sums", "little_law", "little_ratio", "metadata_only", "mixed_images", "remembering", "stale", "steady_ratio",
    "token_counts", "ttft_vs_load", "without_warmup",
]  # fmt: skip
