"""The short measured experiment on the real engine, from checkpoint to report: two levers, two launches. About ten minutes alone on a machine.

Run by itself, after everything else: what else runs is in the measurement.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from frontier.errors import MachineError
from frontier.tools import find

pytestmark = [pytest.mark.live, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
CACHE = ROOT / "artifacts" / "cache"
LOADS, LAUNCHES, VARIANTS = [2, 16], 2, ["baseline", "precision", "mtp", "precision+mtp"]


def frontier(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "frontier.cli", *words], capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for tool in ("vllm", "aiperf"):
        try:
            find(tool, CACHE / "tools")
        except MachineError as error:
            pytest.skip(f"{error.message}: {error.hint}")
    made = frontier("checkpoint", "make", "pocket")
    assert made.returncode == 0, made.stderr
    artifacts = tmp_path_factory.mktemp("artifacts")
    done = frontier("run", "experiment=pocket_cpu_quick", f"paths.artifacts_dir={artifacts}", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["path"])


@pytest.fixture(scope="module")
def points(run: Path) -> pd.DataFrame:
    return pd.read_parquet(run / "points.parquet")


@pytest.fixture(scope="module")
def document(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "attribution.json").read_text())
    return found


def test_every_variant_is_measured_at_every_load_and_launch(points: pd.DataFrame) -> None:
    assert set(points["evidence"]) == {"measured"}
    assert set(points["engine"]) == {"vllm"}
    cells = points.groupby(["variant", "concurrency"])["launch_id"].nunique()
    assert cells.to_dict() == {(variant, load): LAUNCHES for variant in VARIANTS for load in LOADS}


def test_points_keep_the_laws_of_a_closed_loop(points: pd.DataFrame) -> None:
    assert points["little_ratio"].between(0.9, 1.02).all()
    assert (points["isl_tokens"] == 128).all()
    assert (points["osl_tokens"] == 32).all()
    assert (points["failed_requests"] == 0).all()
    assert points["client_difference"].max() < 0.01
    assert points["client_overhead_s"].between(-0.001, 0.1).all()


def test_throughput_can_be_counted_from_the_kept_requests(run: Path, points: pd.DataFrame) -> None:
    """Whole requests over the span in which they ran, per device, against the prorated figure of the window."""
    row = points[(points["variant"] == "baseline") & (points["concurrency"] == 16)].iloc[0]
    kept = [file for file in run.glob("trials/*/kept/requests-*-00016.parquet") if row["launch_id"][:12] in str(file)]
    assert len(kept) == 1
    rows = pd.read_parquet(kept[0])
    seconds = (rows["end_ns"].max() - rows["start_ns"].min()) / 1e9
    assert row["output_tput_tok_s_gpu"] * row["gpus"] == pytest.approx(len(rows) * 32 / seconds, rel=0.2)


def test_drafts_of_the_head_are_accepted(points: pd.DataFrame) -> None:
    drafted = points["draft_len"] > 0
    assert points.loc[~drafted, "acceptance_length"].isna().all()
    assert points.loc[drafted, "acceptance_length"].between(1.3, 3.0).all()


def test_shares_have_intervals_and_multiply_to_the_whole(document: dict[str, Any]) -> None:
    assert [share["lever"] for share in document["shares"]] == ["precision", "mtp"]
    for entry in (*document["shares"], document["total"]):
        low, high = entry["ci95"]
        assert 0 < low <= entry["ratio"] <= high
    assert np.prod([share["ratio"] for share in document["shares"]]) == pytest.approx(document["total"]["ratio"], rel=1e-9)


def test_the_output_of_every_variant_was_asked_for(run: Path, points: pd.DataFrame) -> None:
    judged = json.loads((run / "quality.json").read_text())["variants"]
    assert [one["variant"] for one in judged] == VARIANTS
    trained = {one["variant"]: one["perplexity"] for one in judged}
    assert trained["baseline"] < 200, "the checkpoint was trained: a random one of 4096 words is at 4096"
    assert trained["mtp"] == pytest.approx(trained["baseline"], rel=1e-3)
    assert points["quality"].notna().all()


def test_the_report_is_there_and_nothing_is_left_running(run: Path) -> None:
    assert (run / "report.html").stat().st_size > 10_000
    mine = [found for found in psutil.process_iter(["cmdline"]) if str(run) in " ".join(found.info["cmdline"] or [])]
    assert mine == []
