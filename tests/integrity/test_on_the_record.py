"""The checks on a public record of 1,414 rows: what they mark there, how seldom on quiet nights, and how much of known faults they find.

The record is not part of the project; without it these tests are skipped. The numbers stand in docs/integrity.md, which is compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from frontier.evidence.importers import import_points
from frontier.findings import corrected
from frontier.integrity import CHECKS

RECORD = Path(__file__).parents[2].parent / "shared" / "data" / "inferencex" / "inferencex_dsr1_until_2026-02-28.csv"
PAGE = Path(__file__).parents[2] / "docs" / "integrity.md"
pytestmark = pytest.mark.skipif(not RECORD.exists(), reason=f"the InferenceX record is not here ({RECORD.name})")

Rows = NDArray[np.int64]
BOTH = ("total_tput_tok_s_gpu", "output_tput_tok_s_gpu")


@pytest.fixture(scope="module")
def record() -> pd.DataFrame:
    return import_points("inferencex", [RECORD]).points


@pytest.fixture(scope="module")
def marks(record: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: check.mark(record) for name, check in CHECKS.items()})


def quiet(record: pd.DataFrame) -> pd.Series:
    """Nights on which unchanged images were rerun, less the series whose start-up lies in the window."""
    cold = (record["hardware"] == "b200_sxm") & (record["engine"] == "sglang")
    return record["date"].between("2025-12-09", "2025-12-15") & ~cold


def test_marks_are_those_of_the_page(record: pd.DataFrame, marks: pd.DataFrame) -> None:
    text = PAGE.read_text(encoding="utf-8")
    listed = {name: (int(all_), int(few)) for name, all_, few in re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", text, re.MULTILINE)}
    assert listed == {name: (int(marks[name].sum()), int(marks.loc[quiet(record), name].sum())) for name in CHECKS}
    few = marks[quiet(record)].any(axis=1)
    assert f"{few.sum()} of {len(few)} rows" in text
    assert few.mean() < 0.02


def test_no_other_series_is_marked_more_than_a_twentieth(record: pd.DataFrame, marks: pd.DataFrame) -> None:
    """A rule tuned to one series would show in another one."""
    frame = record.assign(marked=marks.any(axis=1).to_numpy())
    share = frame.groupby(["hardware", "engine", "precision", "spec"])["marked"].agg(["mean", "size"])
    many = share[(share["size"] >= 40) & (share["mean"] > 0.05)].index.tolist()
    assert {(hardware, engine) for hardware, engine, *_ in many} == {("b200_sxm", "sglang")}


def test_cold_starts_of_one_series(record: pd.DataFrame, marks: pd.DataFrame) -> None:
    """First requests of 70 s where the median is below 2 s, with a ratio below 0.88: every one is marked, as both what it is and what it does."""
    known = (record["hardware"] == "b200_sxm") & (record["engine"] == "sglang") & (record["date"] < "2026-01-14") & (record["little_ratio"] < 0.88)
    assert known.sum() == 52
    assert marks.loc[known, ["little_law", "warmup"]].all(axis=None)
    # What is left after the correction lies with the steady rows.
    fixed, _ = corrected(record)
    assert fixed.loc[known, "little_ratio"].between(0.94, 0.99).all()


def test_start_up_and_its_correction_agree_with_the_next_warm_run(record: pd.DataFrame) -> None:
    """One configuration ran cold on 2025-12-15 and warm on 2025-12-31, with the same latencies: the correction foretells the warm throughput."""
    fixed, _ = corrected(record)
    same = (fixed["hardware"] == "b200_sxm") & (fixed["engine"] == "sglang") & (fixed["precision"] == "fp4") & (fixed["concurrency"] == 128)
    same &= (fixed["isl_tokens"] == 1024) & (fixed["osl_tokens"] == 1024)
    cold, warm = (same & (fixed["date"] == date) for date in ("2025-12-15", "2025-12-31"))
    given, mended, later = (float(frame.loc[rows, BOTH[0]].iloc[0]) for frame, rows in ((record, cold), (fixed, cold), (record, warm)))
    assert later / given > 1.25
    assert mended / later == pytest.approx(1.0, abs=0.02)


def scale(frame: pd.DataFrame, rows: Rows, factor: float, *columns: str) -> None:
    for column in columns:
        values = frame[column].to_numpy(dtype=float, na_value=np.nan).copy()
        values[rows] *= factor
        frame[column] = pd.array(values, dtype="Float64").astype(frame[column].dtype)


def per_decode_gpu(frame: pd.DataFrame, rows: Rows) -> None:
    values, ratio = frame["output_tput_tok_s_gpu"].to_numpy().copy(), (frame["gpus"] / frame["decode_gpus"]).to_numpy(dtype=float)
    values[rows] *= ratio[rows]
    frame["output_tput_tok_s_gpu"] = values


def start_up(frame: pd.DataFrame, rows: Rows) -> None:
    """70 s more for the first round: throughput falls by the share of the window, the slowest latencies grow."""
    window = 10 * frame["median_e2el_s"].to_numpy() / frame["little_ratio"].to_numpy()
    for column in (*BOTH, "little_ratio"):
        values = frame[column].to_numpy().copy()
        values[rows] *= (window / (window + 70))[rows]
        frame[column] = values
    for column in ("p99_ttft_s", "p99_e2el_s"):
        values = frame[column].to_numpy().copy()
        values[rows] += 70
        frame[column] = values


# fault -> (rows it can stand in, the fault, the check that must see it, the least share of rows seen, error of the corrected total in log)
FAULTS: dict[str, tuple[str, Callable[[pd.DataFrame, Rows], None], str, float, float]] = {
    "twice the GPUs recorded": ("aggregated", lambda f, r: scale(f, r, 2, "gpus"), "gpu_count", 1.0, 0.001),
    "divided by twice the GPUs, and recorded": (
        "aggregated", lambda f, r: (scale(f, r, 2, "gpus"), scale(f, r, 0.5, *BOTH))[0], "gpu_count", 1.0, 0.001,
    ),
    "throughput doubled": ("aggregated", lambda f, r: scale(f, r, 2, *BOTH, "little_ratio"), "denominators", 1.0, 0.001),
    "throughput halved": ("aggregated", lambda f, r: scale(f, r, 0.5, *BOTH, "little_ratio"), "little_law", 1.0, 0.06),
    "throughput up by 15 %": ("aggregated", lambda f, r: scale(f, r, 1.15, *BOTH, "little_ratio"), "little_law", 0.95, 0.06),
    "output per decode GPU": ("disaggregated", per_decode_gpu, "denominators", 0.9, 0.001),
    "total per half of the GPUs": ("aggregated", lambda f, r: scale(f, r, 2, BOTH[0]), "denominators", 1.0, 0.015),
    "prompts of 8192 labelled 1024": ("long", lambda f, r: scale(f, r, 1 / 8, "isl_tokens"), "token_counts", 1.0, 0.001),
    "prompts of 1024 sent as 8192": ("short", lambda f, r: scale(f, r, 8, "median_ttft_s"), "ttft_vs_load", 0.7, 0.001),
    "70 s of start-up": ("brisk", start_up, "warmup", 1.0, 0.12),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_known_faults_are_found_and_mended(name: str, record: pd.DataFrame, marks: pd.DataFrame) -> None:
    where, fault, check, least, error = FAULTS[name]
    apart = record["disagg"].astype(bool)
    stands = {
        "aggregated": ~apart,
        "disaggregated": apart & (record["gpus"] / record["decode_gpus"] > 1.1),
        "long": record["isl_tokens"] == 8192,
        "short": ~apart & (record["isl_tokens"] == 1024),
        "brisk": ~apart & (record["median_e2el_s"] < 35),  # 70 s are then a sixth of the window or more
    }[where]
    sound = ~marks.any(axis=1) & stands & record["little_ratio"].notna()
    rows = np.random.default_rng(1).choice(np.flatnonzero(sound), 40, replace=False)
    frame = record.copy()
    fault(frame, rows)
    assert CHECKS[check].mark(frame).to_numpy()[rows].mean() >= least
    fixed, _ = corrected(frame)
    away = np.abs(np.log(fixed[BOTH[0]].to_numpy() / record[BOTH[0]].to_numpy()))[rows]
    assert np.median(away) <= error
    # Rows without the fault stay as they were, but for those few near a bound that moves with the table.
    others = np.setdiff1d(np.flatnonzero(~marks.any(axis=1)), rows)
    assert (np.abs(np.log(fixed[BOTH[0]].to_numpy() / record[BOTH[0]].to_numpy()))[others] > 1e-9).sum() <= 2
