"""Unit conversions, done once at the edge: inside the kit times are seconds and rates are per second."""

from __future__ import annotations

MS_PER_S = 1000.0
W_PER_KW = 1000.0
W_PER_MW = 1_000_000.0
S_PER_H = 3600.0
TOKENS_PER_MTOK = 1_000_000.0


def seconds(milliseconds: float) -> float:
    """Seconds of a time in milliseconds."""
    return milliseconds / MS_PER_S


def tput_tok_s_mw(tput_tok_s_gpu: float, kw_per_gpu: float) -> float:
    """Tokens/s per megawatt from tokens/s/GPU and the kilowatts one GPU is charged with.

    >>> tput_tok_s_mw(100.0, 2.0)
    50000.0
    """
    return tput_tok_s_gpu * W_PER_MW / (kw_per_gpu * W_PER_KW)


def usd_per_mtok(tput_tok_s_gpu: float, usd_per_gpu_hr: float) -> float:
    """US dollars per million tokens from tokens/s/GPU and the hourly price of one GPU.

    >>> usd_per_mtok(1000.0, 3.6)
    1.0
    """
    return usd_per_gpu_hr / (tput_tok_s_gpu * S_PER_H) * TOKENS_PER_MTOK
