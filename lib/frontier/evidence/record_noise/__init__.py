"""Noise of a public benchmark record: how far two runs of an unchanged configuration lie apart."""

from frontier.evidence.record_noise.family import family_bounds
from frontier.evidence.record_noise.model import RecordNoise, group_name
from frontier.evidence.record_noise.repeats import NIGHTS, Repeats, repeats, series_names, unchanged
from frontier.evidence.record_noise.stalls import stalled
from frontier.evidence.record_noise.table import noise_markdown, noise_table

__all__ = [
    "NIGHTS",
    "RecordNoise",
    "Repeats",
    "family_bounds",
    "group_name",
    "noise_markdown",
    "noise_table",
    "repeats",
    "series_names",
    "stalled",
    "unchanged",
]
