"""A plan out as recipes of srt-slurm, its results back in as points with levers, and the attribution of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from frontier.attribute import LeverSpec, attribute
from frontier.config import compose
from frontier.errors import ConfigError, PointsError, UsageError
from frontier.evidence.importers import import_points
from frontier.evidence.importers.srtctl import result_files
from frontier.plan import make_plan
from frontier.srtctl import recipe_documents, write_recipes

RACK = "deepseek_r1_gb200_nvl72_staged"
WORDS = ["model.checkpoints.nvfp4=/models/r1", "sweep.concurrencies=[4,8]", "sweep.replicates=2"]


def result(concurrency: int, gpus: int, factor: float) -> dict[str, Any]:
    """What sa-bench writes: 1000 requests of 1024 in, 1024 out, ``factor`` times as many tokens per second at the same time per token."""
    rate = 100.0 * concurrency * gpus * factor
    tpot_ms = 5.0 + concurrency
    return {
        "model_id": "r1", "completed": 1000, "duration": 1000 * 1024 / rate, "total_input_tokens": 1000 * 1024, "total_output_tokens": 1000 * 1024,
        "max_concurrency": concurrency, "request_rate": math.inf, "output_throughput": rate, "median_tpot_ms": tpot_ms, "mean_tpot_ms": tpot_ms,
        "p99_tpot_ms": tpot_ms, "median_ttft_ms": 100.0, "median_itl_ms": tpot_ms, "median_e2el_ms": 100.0 + 1023 * tpot_ms,
    }  # fmt: skip


def test_recipes_hold_what_the_plan_would_start() -> None:
    cfg = compose(RACK, [*WORDS, "place=slurm", "place.partition=gb200", "place.time_min=90"])
    plan = make_plan(cfg)
    documents = recipe_documents(plan, cfg)
    assert len(documents) == len(plan.trials) == 8
    split = next(one for one in documents if "disaggregation" in one["name"])
    assert split["resources"] == {
        "gpu_type": "gb200", "gpus_per_node": 4, "prefill_nodes": 4, "prefill_workers": 4, "gpus_per_prefill": 4,
        "decode_nodes": 4, "decode_workers": 1, "gpus_per_decode": 16,
    }  # fmt: skip
    assert split["slurm"] == {"partition": "gb200", "time_limit": "1:30:00"}
    assert split["benchmark"] == {"type": "sa-bench", "isl": 1024, "osl": 1024, "concurrencies": "4x8", "req_rate": "inf"}
    decode = split["backend"]["trtllm_config"]["decode"]
    assert (decode["tensor_parallel_size"], decode["speculative_config"]["num_nextn_predict_layers"]) == (16, 3)
    whole = next(one for one in documents if one["name"].endswith("baseline--s0--r1"))
    assert (whole["resources"]["agg_nodes"], list(whole["backend"]["trtllm_config"])) == (2, ["aggregated"])


def test_results_come_back_with_levers_and_give_the_attribution(tmp_path: Path) -> None:
    cfg = compose(RACK, [*WORDS, "lever=[mtp]", "engine.layout=dep8"])
    files = write_recipes(make_plan(cfg), cfg, tmp_path / "recipes")
    for job, file in enumerate(files):
        recipe = yaml.safe_load(file.read_text())
        folder = tmp_path / "outputs" / str(job)
        (folder / "logs" / "sa-bench_isl_1024_osl_1024").mkdir(parents=True)
        drafts = "speculative_config" in recipe["backend"]["trtllm_config"]["aggregated"]
        worker = {"frameworks": {"tensorrt_llm": "1.3.0rc20"}}
        lock = {"version": 2, "slurm": {"job_id": str(100 + job)}, "fingerprints": {"agg_w0": worker}}
        (folder / "recipe.lock.yaml").write_text(yaml.safe_dump({**recipe, "lock": lock}))
        for load in (4, 8):
            where = folder / "logs" / "sa-bench_isl_1024_osl_1024" / f"results_concurrency_{load}_gpus_8.json"
            where.write_text(json.dumps(result(load, 8, 2.0 if drafts else 1.0)))
    imported = import_points("srtctl", result_files([tmp_path / "outputs"]))
    points = imported.points
    assert imported.refused.empty
    assert len(points) == 2 * len(files) == 8
    assert dict(points.groupby("variant")["draft_len"].unique().map(list)) == {"baseline": [0], "mtp": [3]}
    first = points.iloc[0]
    same = {"hardware": "gb200", "engine": "trtllm", "engine_version": "1.3.0rc20", "precision": "fp4", "tp": 1, "dp": 8, "ep": 8, "gpus": 8}
    assert {name: first[name] for name in same} == same
    assert set(points["replicate"]) == {1, 2}
    assert set(points["run_id"]) == {"100", "101", "102", "103"}
    assert first["output_tput_tok_s_gpu"] == pytest.approx(100.0 * first["concurrency"] * (2.0 if first["variant"] == "mtp" else 1.0))
    lever = LeverSpec("mtp", "draft_len", ("0",), ("3",), "forced", "MTP", {"baseline": ["0"], "target": ["3"]})
    document = attribute(points, [lever], metric="total", resamples=100)
    assert document["shares"][0]["ratio"] == pytest.approx(2.0)


def test_a_disaggregated_recipe_of_the_newer_layout(tmp_path: Path) -> None:
    roles = {
        "prefill": {"workers": 1, "args": {"tensor_parallel_size": 4, "moe_expert_parallel_size": 4, "enable_attention_dp": True}},
        "decode": {"workers": 2, "args": {"tensor_parallel_size": 8, "speculative_config": {"decoding_type": "MTP", "num_nextn_predict_layers": 1}}},
    }
    recipe = {"schema": 2, "name": "mine", "model": {"precision": "fp8"}, "engine": "trtllm", "roles": roles, "resources": {"gpu_type": "h200"}}
    folder = tmp_path / "job" / "logs" / "sa-bench_isl_8192_osl_1024"
    folder.mkdir(parents=True)
    (tmp_path / "job" / "config.yaml").write_text(yaml.safe_dump(recipe))
    (folder / "results_concurrency_16_gpus_20_ctx_4_gen_16.json").write_text(json.dumps(result(16, 20, 1.0)))
    (row,) = import_points("srtctl", result_files([tmp_path])).points.to_dict("records")
    wanted = {
        "disagg": True, "prefill_gpus": 4, "decode_gpus": 16, "prefill_workers": 1, "decode_workers": 2, "prefill_dp": 4, "decode_tp": 8, "gpus": 20,
        "spec": "mtp", "draft_len": 1, "isl_tokens": 8192.0, "osl_tokens": 1024.0, "hardware": "h200_sxm", "variant": "mine", "concurrency": 16.0,
    }  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted


def test_what_cannot_be_exported_or_read_is_refused(tmp_path: Path) -> None:
    smoke = compose("smoke")
    with pytest.raises(UsageError, match="engine fake has no recipes"):
        recipe_documents(make_plan(smoke), smoke)
    unnamed = compose(RACK, [*WORDS, "engine.image=''"])
    with pytest.raises(ConfigError, match="names its container"):
        recipe_documents(make_plan(unnamed), unnamed)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    cfg = compose(RACK, WORDS)
    with pytest.raises(UsageError, match="is not empty"):
        write_recipes(make_plan(cfg), cfg, tmp_path / "full")
    with pytest.raises(PointsError, match="holds no result"):
        result_files([tmp_path])
    folder = tmp_path / "job" / "logs"
    folder.mkdir(parents=True)
    file = folder / "results_concurrency_4_gpus_8.json"
    file.write_text(json.dumps(result(4, 8, 1.0)))
    (tmp_path / "job" / "config.yaml").write_text("!!python/object/apply:os.system ['touch /nowhere']")
    with pytest.raises(PointsError, match="is no recipe"):
        import_points("srtctl", [file])
    (tmp_path / "job" / "config.yaml").unlink()
    points = import_points("srtctl", [file], given={"engine": "trtllm"})
    assert pd.isna(points.points["precision"][0])
    assert "levers are not known" in points.notes[0]
