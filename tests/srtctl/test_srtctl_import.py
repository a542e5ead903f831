"""Jobs of srt-slurm as points: both layouts of recipes, both of lockfiles, what failed, and how launches are numbered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from srtctl_outputs import job_folder, result

from frontier.errors import PointsError
from frontier.evidence.importers import import_points
from frontier.evidence.importers.srtctl import result_files

BENCH = {"type": "sa-bench", "isl": 1024, "osl": 1024, "concurrencies": [4, 8]}
AGG = {
    "schema": 2, "name": "mine", "model": {"path": "r1", "container": "trtllm", "precision": "fp8"}, "engine": {"type": "trtllm"},
    "resources": {"gpu_type": "h200", "gpus_per_node": 8}, "benchmark": BENCH,
    "roles": {"agg": {"nodes": 1, "workers": 1, "args": {"tensor_parallel_size": 8, "kv_cache_config": {"dtype": "fp8"}, "max_batch_size": 64}}},
}  # fmt: skip


def rows(*paths: Path, **given: str) -> tuple[list[dict[str, Any]], pd.DataFrame, tuple[str, ...]]:
    found = import_points("srtctl", result_files(paths), given=given)
    return found.points.to_dict("records"), found.refused, found.notes


def both(gpus: int = 8, factor: float = 1.0) -> dict[int, dict[str, Any]]:
    return {load: result(load, gpus, factor) for load in (4, 8)}


def test_an_aggregated_job_of_the_newer_layout(tmp_path: Path) -> None:
    job_folder(tmp_path, 17, AGG, both())
    points, refused, notes = rows(tmp_path)
    assert refused.empty
    assert notes == ()
    wanted = {
        "engine": "trtllm", "engine_version": "1.3.0rc20", "hardware": "h200_sxm", "precision": "fp8", "kv_precision": "fp8", "image": "trtllm",
        "tp": 8, "dp": 1, "ep": 1, "pp": 1, "attention_dp": False, "disagg": False, "gpus": 8, "spec": "none", "draft_len": 0, "max_num_seqs": 64,
        "isl_tokens": 1024.0, "osl_tokens": 1024.0, "variant": "mine", "replicate": 1, "run_id": "17", "date": "2026-05-03",
        "source": "17/results_concurrency_4_gpus_8.json", "concurrency": 4.0, "median_tpot_s": pytest.approx(0.009),
        "output_tput_tok_s_gpu": pytest.approx(400.0),
    }  # fmt: skip
    assert {name: points[0][name] for name in wanted} == wanted
    assert len(points) == 2


def test_a_disaggregated_job_of_the_newer_layout(tmp_path: Path) -> None:
    prefill = {"tensor_parallel_size": 4, "moe_expert_parallel_size": 4, "enable_attention_dp": True}
    decode = {"tensor_parallel_size": 8, "speculative_config": {"decoding_type": "MTP", "num_nextn_predict_layers": 1}}
    split = {"prefill": {"nodes": 1, "workers": 1, "gpus": 4, "args": prefill}, "decode": {"nodes": 2, "workers": 2, "gpus": 8, "args": decode}}
    recipe = {**AGG, "engine": "trtllm", "roles": split}
    job_folder(tmp_path, 5, recipe, both(20), name="results_concurrency_{load}_gpus_20_ctx_4_gen_16.json")
    points, _, _ = rows(tmp_path)
    wanted = {
        "disagg": True, "prefill_gpus": 4, "decode_gpus": 16, "prefill_workers": 1, "decode_workers": 2, "prefill_dp": 4, "prefill_tp": 1,
        "prefill_ep": 4, "decode_tp": 8, "decode_dp": 1, "gpus": 20, "spec": "mtp", "draft_len": 1, "attention_dp": False,
    }  # fmt: skip
    assert {name: points[0][name] for name in wanted} == wanted
    assert pd.isna(points[0]["flags"])


def test_a_job_of_the_older_layout_with_a_lockfile_of_version_1(tmp_path: Path) -> None:
    recipe = {
        "name": "old", "model": {"path": "r1", "container": "x.sqsh", "precision": "fp4"}, "benchmark": {**BENCH, "concurrencies": "4x8"},
        "resources": {"gpu_type": "gb200", "gpus_per_node": 4, "prefill_nodes": 1, "prefill_workers": 1, "gpus_per_prefill": 4,
                      "decode_nodes": 4, "decode_workers": 1},
        "backend": {"type": "trtllm", "trtllm_config": {"prefill": {"tensor_parallel_size": 4},
                                                        "decode": {"tensor_parallel_size": 16, "enable_attention_dp": True}}},
    }  # fmt: skip
    folder = job_folder(tmp_path, 7, recipe, both(20), name="results_concurrency_{load}_gpus_20_ctx_4_gen_16.json")
    worker = {"frameworks": {"tensorrt_llm": "1.2.0"}}
    wrapped = {"_meta": {"version": 1, "slurm": {"job_id": "7"}}, "verification": None, "config": recipe, "fingerprints": {"decode_w0": worker}}
    (folder / "recipe.lock.yaml").write_text(yaml.safe_dump(wrapped))
    (row, _), refused, _ = rows(tmp_path)
    assert refused.empty
    # decode: four nodes of four GPUs for one worker
    wanted = {"gpus": 20, "prefill_gpus": 4, "decode_gpus": 16, "decode_dp": 16, "decode_tp": 1, "attention_dp": True, "run_id": "7"}
    assert {name: row[name] for name in wanted} == wanted
    assert row["engine_version"] == "1.2.0"


def test_a_disaggregated_vllm_job_with_a_failed_identity_check(tmp_path: Path) -> None:
    """In the shape of a lockfile of version 2 that the srt-slurm repository shows in public (its folder issue-41603), values made up."""
    flags = {
        "tensor-parallel-size": 1, "pipeline-parallel-size": 1, "data-parallel-size": 8, "enable-expert-parallel": True, "kv-cache-dtype": "fp8",
        "speculative-config": '{"method":"mtp","num_speculative_tokens":2}', "max-num-seqs": 512,
    }  # fmt: skip
    recipe = {
        "name": "high", "model": {"path": "v4", "container": "/images/v.sqsh", "precision": "fp4"}, "benchmark": {**BENCH, "concurrencies": "4x8"},
        "resources": {"gpu_type": "gb200", "gpus_per_node": 4, "prefill_nodes": 4, "decode_nodes": 2, "prefill_workers": 2, "decode_workers": 1,
                      "gpus_per_prefill": 8, "gpus_per_decode": 8},
        "frontend": {"type": "dynamo"}, "backend": {"type": "vllm", "connector": None, "vllm_config": {"prefill": flags, "decode": flags}},
    }  # fmt: skip
    checks = [{"field": "model.repo", "status": "OK", "message": "v4"}, {"field": "frameworks.vllm", "status": "FAIL", "message": "got '0.20.1'"}]
    lock = {"fingerprints": {"decode_w0": {"frameworks": {"vllm": "0.20.1", "dynamo": "1.2.0"}}}, "verification": {"failed": 1, "checks": checks}}
    job_folder(tmp_path, 15963, recipe, both(24), lock=lock, name="results_concurrency_{load}_gpus_24_ctx_16_gen_8.json")
    points, _, notes = rows(tmp_path)
    wanted = {
        "engine": "vllm", "engine_version": "0.20.1", "gpus": 24, "prefill_gpus": 16, "decode_gpus": 8, "decode_dp": 8, "decode_ep": 8,
        "decode_tp": 1, "spec": "mtp", "draft_len": 2, "kv_precision": "fp8", "attention_dp": True, "max_num_seqs": 512,
    }  # fmt: skip
    assert {name: points[0][name] for name in wanted} == wanted
    assert notes == ("job 15963: frameworks.vllm is not as the recipe declares it: got '0.20.1'",)


def test_gpus_are_those_of_the_workers_not_of_their_nodes(tmp_path: Path) -> None:
    """Before it counted workers, sa-bench wrote the GPUs of the nodes into the name: 8 for a worker of 4 on a node of 8."""
    agg = {"agg": {"nodes": 1, "workers": 1, "gpus": 4, "args": {"tensor_parallel_size": 4}}}
    job_folder(tmp_path, 1, {**AGG, "roles": agg}, both(8))
    points, _, _ = rows(tmp_path)
    assert points[0]["gpus"] == 4
    assert points[0]["output_tput_tok_s_gpu"] == pytest.approx(800.0)  # 400 x 8 tokens per second on 4 GPUs
    assert points[0]["flags"] == "gpus_in_name_differ"
    job_folder(tmp_path, 2, AGG, both(16), gpus=16)  # a worker without a size has the GPUs of its nodes: 1 x 8
    assert {row["gpus"] for row in rows(tmp_path)[0] if row["run_id"] == "2"} == {8}


def test_a_recipe_submitted_again_is_the_next_launch(tmp_path: Path) -> None:
    other = {**AGG, "name": "other", "roles": {"agg": {"nodes": 1, "workers": 1, "args": {"tensor_parallel_size": 4}}}}
    for job, recipe in ((9, AGG), (10, AGG), (11, other), (102, {**AGG, "slurm": {"time_limit": "02:00:00"}})):
        job_folder(tmp_path, job, recipe, both())
    points, _, _ = rows(tmp_path)
    assert {(row["run_id"], row["replicate"]) for row in points} == {("9", 1), ("10", 2), ("102", 3), ("11", 1)}


def test_launches_of_a_plan_keep_their_numbers(tmp_path: Path) -> None:
    def launch(number: int) -> dict[str, Any]:
        ours = {"FRONTIER_MODEL": "R1", "FRONTIER_LEVERS": "mtp,wide", "FRONTIER_VARIANT": "mtp", "FRONTIER_REPLICATE": str(number)}
        return {**AGG, "name": f"e--mtp--s0--r{number}", "environment": ours}

    for job, number in ((20, 1), (21, 3), (22, 1), (23, 2)):  # launch 1 was submitted again as job 22
        job_folder(tmp_path, job, launch(number), both())
    points, _, _ = rows(tmp_path)
    assert {(row["run_id"], row["replicate"]) for row in points} == {("20", 1), ("21", 3), ("22", 4), ("23", 2)}
    assert {(row["model"], row["variant"], row["level_mtp"], row["level_wide"]) for row in points} == {("R1", "mtp", "target", "baseline")}


def test_failed_jobs_are_refused_with_the_reason(tmp_path: Path) -> None:
    log = ["2026-05-03 22:00:00 INFO Workers ready", "2026-05-03 22:30:00 [ERROR] Server did not become healthy", "2026-05-03 22:30:01 ERROR later"]
    job_folder(tmp_path, 1, AGG, both())
    job_folder(tmp_path, 2, AGG, {}, log=log)
    job_folder(tmp_path, 3, AGG, {4: result(4, 8)}, log=["2026-05-03 22:00:00 INFO Running benchmark"])
    job_folder(tmp_path, 4, {**AGG, "benchmark": {"type": "gpqa"}}, {})
    waiting = tmp_path / "5"
    waiting.mkdir()
    (waiting / "config.yaml").write_text(yaml.safe_dump(AGG))
    points, refused, _ = rows(tmp_path)
    assert {(row["run_id"], int(row["concurrency"])) for row in points} == {("1", 4), ("1", 8), ("3", 4)}
    healthy, ended = "job 2 has no result: Server did not become healthy (sweep_2.log)", "or it was ended (time limit, scancel)"
    found = [(row["file"], row["column"], row["value"], row["rule"]) for row in refused.to_dict("records")]
    assert found == [
        ("2/recipe.lock.yaml", "concurrency", "4", healthy),
        ("2/recipe.lock.yaml", "concurrency", "8", healthy),
        ("3/recipe.lock.yaml", "concurrency", "8", f"job 3 has no result: no error in its log; it still runs, {ended}"),
        ("4/recipe.lock.yaml", "benchmark.type", "gpqa", "only sa-bench is read"),
        ("5/config.yaml", "concurrency", "4", "job 5 has no result: it has not started"),
        ("5/config.yaml", "concurrency", "8", "job 5 has no result: it has not started"),
    ]


def test_a_result_that_the_benchmark_counts_as_failed_is_refused(tmp_path: Path) -> None:
    outcome = {"status": "failed", "requested": 40, "completed": 30, "failed": 10, "max_failure_rate": 0.05}
    job_folder(tmp_path, 1, AGG, {4: {**result(4, 8), "benchmark_outcome": outcome}, 8: result(8, 8)})
    points, refused, _ = rows(tmp_path)
    assert [row["concurrency"] for row in points] == [8.0]
    (row,) = refused.to_dict("records")
    assert row["file"] == "1/results_concurrency_4_gpus_8.json"
    assert row["rule"] == "the benchmark counts it as failed: 30 of 40 requests completed"


def test_workers_started_again_are_noted(tmp_path: Path) -> None:
    job_folder(tmp_path, 1, AGG, both(), lock={"worker_restarts": [{"worker": "agg_w0"}]})
    assert rows(tmp_path)[2] == ("job 1: workers were started again during the job",)


def test_of_a_file_of_overrides_the_variant_that_ran_is_read(tmp_path: Path) -> None:
    folder = job_folder(tmp_path, 1, {"schema": 2, "base": AGG, "override_tp4": {}}, both())
    with pytest.raises(PointsError, match="holds several variants, and 0 files"):
        import_points("srtctl", [next(folder.rglob("results_concurrency_4*.json"))])
    (folder / "config_tp4.yaml").write_text(yaml.safe_dump({**AGG, "name": "mine_tp4"}))
    points, _, _ = rows(tmp_path)
    assert {(row["variant"], row["run_id"], row["engine_version"]) for row in points} == {("mine_tp4", "1", "1.3.0rc20")}


def test_results_without_a_recipe_have_no_levers(tmp_path: Path) -> None:
    file = tmp_path / "results_concurrency_4_gpus_8.json"
    file.write_text(json.dumps(result(4, 8)))
    (row,), _, notes = rows(file, engine="trtllm")
    assert pd.isna(row["precision"])
    assert (row["engine"], row["gpus"], row["concurrency"]) == ("trtllm", 8, 4.0)
    assert "levers are not known" in notes[0]


def test_other_files_called_config_are_no_jobs(tmp_path: Path) -> None:
    job = job_folder(tmp_path, 1, AGG, both())
    for folder, text in ((job / "logs" / "services" / "router" / "src", yaml.safe_dump(AGG)), (tmp_path / "other", "a: 1"), (tmp_path / "no", "[")):
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(text)
    points, refused, _ = rows(tmp_path)
    assert len(points) == 2
    assert refused.empty
    (tmp_path / "no" / "recipe.lock.yaml").write_text("[")
    refused = rows(tmp_path)[1]
    assert ["is no recipe" in rule for rule in refused["rule"]] == [True]


def test_what_is_no_job_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match="holds no job of srtctl"):
        result_files([tmp_path])
    folder = tmp_path / "job" / "logs"
    folder.mkdir(parents=True)
    file = folder / "results_concurrency_4_gpus_8.json"
    file.write_text(json.dumps(result(4, 8)))
    (tmp_path / "job" / "config.yaml").write_text("!!python/object/apply:os.system ['touch /nowhere']")
    with pytest.raises(PointsError, match="is no recipe"):
        import_points("srtctl", [file])
