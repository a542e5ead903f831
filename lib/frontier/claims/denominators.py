"""From throughput per GPU to throughput per die, megawatt, US dollar and bit: known factors with the table they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from frontier.catalog import PRECISION_FORMS
from frontier.claim_schema import TcoConfig
from frontier.errors import UsageError

# GPU dies in what is counted as one GPU: Hopper has one, Blackwell two reticle-sized ones (NVIDIA Blackwell architecture page).
DIES = {"h100_sxm": 1, "h200_sxm": 1, "b200_sxm": 2, "gb200": 2, "b300_sxm": 2, "gb300": 2}
# Bits per weight of the names in the column `precision`: the first form of each name.
BITS: dict[str, float] = {}
for _column, _bits, _ in PRECISION_FORMS.values():
    BITS.setdefault(_column, _bits)
DEFAULT_USD = "hyperscaler"
KW_PER_MW, S_PER_HOUR = 1000.0, 3600.0
TITLES = {
    "gpu": "per GPU package",
    "die": "per GPU die",
    "bit": "per GPU, times bits per weight",
    "megawatt": "per megawatt",
    "megawatt_bit": "per megawatt, times bits per weight",
    "usd": "per US dollar",
}


@dataclass(frozen=True)
class Ends:
    """What the denominators need to know of the two sides; empty where a side has several or none."""

    hardware: tuple[str, str]
    precision: tuple[str, str]


def price(table: TcoConfig, hardware: str, kind: str = "") -> float:
    """US dollars per GPU and hour of a system; NaN where the table has none."""
    gpu = table.gpus.get(hardware)
    return math.nan if gpu is None else gpu.usd_per_gpu_hr.get(kind or DEFAULT_USD, math.nan)


def power(table: TcoConfig, hardware: str) -> float:
    """Kilowatts per GPU of a system; NaN where the table has none."""
    gpu = table.gpus.get(hardware)
    return math.nan if gpu is None or gpu.all_in_kw_per_gpu is None else gpu.all_in_kw_per_gpu


def parts(per: str, ends: Ends, table: TcoConfig, usd_kind: str = "") -> Mapping[str, float]:
    """The factors between a ratio per GPU and the ratio per another denominator, by name; NaN where unknown.

    Parameters
    ----------
    per : str
        ``gpu``, ``die``, ``bit``, ``megawatt``, ``megawatt_bit`` or ``usd``; anything else has no factor.
    ends : Ends
    table : TcoConfig
    usd_kind : str
        Whose price; ``hyperscaler`` if empty.

    Notes
    -----
    Throughput per X is throughput per GPU over X per GPU, so a ratio is multiplied by X per GPU before over X per GPU after. Per bit, a
    token counts as many bits as a weight has, so the factor is bits after over bits before.
    """
    before, after = ends.hardware
    known = {
        "dies": _over(DIES.get(before, math.nan), DIES.get(after, math.nan)),
        "power": _over(power(table, before), power(table, after)),
        "price": _over(price(table, before, usd_kind), price(table, after, usd_kind)),
        "bits": _over(BITS.get(ends.precision[1], math.nan), BITS.get(ends.precision[0], math.nan)),
    }
    names = {"die": ["dies"], "megawatt": ["power"], "usd": ["price"], "bit": ["bits"], "megawatt_bit": ["power", "bits"]}
    return {name: known[name] for name in names.get(per, [])}


def factor(per: str, ends: Ends, table: TcoConfig, usd_kind: str = "") -> float:
    """The product of :func:`parts`."""
    return math.prod(parts(per, ends, table, usd_kind).values())


def usd_per_million_tokens(tput_tok_s_gpu: float, usd_per_gpu_hr: float) -> float:
    """Cost of a million tokens at a throughput per GPU.

    >>> usd_per_million_tokens(1000.0, 3.6)
    1.0
    """
    return usd_per_gpu_hr / 3600.0 / tput_tok_s_gpu * 1e6


def in_force(tables: Mapping[str, TcoConfig], date: str) -> str:
    """The published table that was in force on a date: the one whose era holds it."""
    eras = {name: table for name, table in tables.items() if not table.what_if and (table.valid_from or table.valid_until)}
    for name, table in eras.items():
        if table.valid_from <= date and (not table.valid_until or date < table.valid_until):
            return name
    return next(iter(eras), "")


def _over(a: float, b: float) -> float:
    return a / b if math.isfinite(a) and math.isfinite(b) and b else math.nan


def needs(per: str, table: TcoConfig, usd_kind: str = "") -> dict[str, float]:
    """What one GPU of each system of a table needs: megawatts, or US dollars per second.

    Raises
    ------
    UsageError
        For anything but ``megawatt`` and ``usd``.
    """
    if per not in ("megawatt", "usd"):
        raise UsageError(f"throughput is counted per megawatt or usd, got {per!r}", hint="--per megawatt")
    found = {name: power(table, name) / KW_PER_MW if per == "megawatt" else price(table, name, usd_kind) / S_PER_HOUR for name in table.gpus}
    return {name: value for name, value in found.items() if math.isfinite(value)}
