"""The path on TensorRT-LLM with the real load generator: a stand-in serves, aiperf loads it. Timed, so nothing else may run meanwhile."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from standin_trtllm_tools import standin_trtllm_tools

from frontier.errors import MachineError
from frontier.session import start_run
from frontier.tools import find

pytestmark = [pytest.mark.live, pytest.mark.slow]
TOOLS = Path(__file__).parents[2] / "artifacts" / "cache" / "tools"
OUT_TOKENS = 24


def test_tokens_are_counted_and_not_chunks_where_drafts_bundle_them(tmp_path: Path) -> None:
    try:
        aiperf = find("aiperf", TOOLS).python
    except MachineError as error:
        pytest.skip(f"{error.message}: {error.hint}")
    ours = {"engine.client_python": str(aiperf), "workload.osl_tokens": str(OUT_TOKENS), "sweep.window_s": "2", "sweep.max_point_s": "6"}
    tools = [word for word in standin_trtllm_tools(tmp_path / "tools") if word.split("=")[0] not in ours]
    given = [*tools, *(f"{name}={value}" for name, value in ours.items()), "lever=[mtp]", "lever.mtp.target=['3']", "design=factorial"]
    run = start_run("deepseek_r1_b200_staged", given, str(tmp_path / "artifacts"))
    points = run.measure()
    assert set(points["variant"]) == {"baseline", "mtp"}
    assert points["client_difference"].max() < 0.01, "the client's own summary agrees with the raw requests"
    assert points["token_recount"].tolist() == pytest.approx([1.0] * len(points))
    records = {file.parent.parent.name: pd.read_parquet(file) for file in run.run.path.glob("trials/*/kept/requests-0-00004.parquet")}
    assert len(records) == 2
    by_variant = {run.run.trial_record(digest)["variant"]: requests for digest, requests in records.items()}  # type: ignore[index]
    for variant, bundled in (("baseline", False), ("mtp", True)):
        done = by_variant[variant].dropna(subset=["output_tokens"])
        assert set(done["output_tokens"]) == {OUT_TOKENS}
        assert bool((done["chunks"] < OUT_TOKENS).mean() > 0.9) is bundled
        row = points[(points["variant"] == variant) & (points["concurrency"] == 4)].iloc[0]
        rate = row["output_tput_tok_s_gpu"] * row["gpus"]
        assert rate == pytest.approx(row["achieved_request_rate_per_s"] * OUT_TOKENS, rel=0.02)
