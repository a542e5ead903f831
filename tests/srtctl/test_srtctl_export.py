"""Recipes of srt-slurm against its documented rules, for every staged experiment, and what of a plan they hold."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from srtctl_rules import problems

from frontier.config import compose
from frontier.errors import ConfigError, UsageError
from frontier.plan import make_plan
from frontier.srtctl import recipe_documents, write_recipes

STAGED = sorted(path.stem for path in (Path(__file__).parents[2] / "conf" / "experiment").glob("*_staged.yaml"))
RACK = "deepseek_r1_gb200_nvl72_staged"
SMALL = "llama_3_3_70b_b200_staged"


@cache
def _exported(experiment: str, *words: str) -> str:
    cfg = compose(experiment, ["engine.image=/images/trtllm.sqsh", *words])
    return yaml.safe_dump([dict(document) for _, document in recipe_documents(make_plan(cfg), cfg)])


def recipes(experiment: str, *words: str) -> dict[str, Any]:
    """Variant -> recipe of its first launch, as srtctl would read it from the file."""
    found = yaml.safe_load(_exported(experiment, *words))
    return {one["environment"]["FRONTIER_VARIANT"]: one for one in found if one["environment"]["FRONTIER_REPLICATE"] == "1"}


def test_all_staged_experiments_are_tried() -> None:
    assert len(STAGED) == 5


@pytest.mark.parametrize("experiment", STAGED)
def test_every_recipe_keeps_the_rules_of_srtctl(experiment: str, tmp_path: Path) -> None:
    cfg = compose(experiment, ["engine.image=/images/trtllm.sqsh", "place=slurm", "place.partition=gpu", "place.account=team", "place.time_min=90"])
    plan = make_plan(cfg)
    files = write_recipes(plan, cfg, tmp_path / "recipes")
    assert len(files) == len(plan.main.trials)
    found = {file.name: problems(yaml.safe_load(file.read_text())) for file in files}
    assert found == {file.name: [] for file in files}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema": 1}, "schema"),
        ({"backend": {"type": "trtllm"}}, "backend"),
        ({"frontend": {"type": "trtllm_serve"}}, "enable_multiple_frontends"),
        ({"benchmark": {"type": "sa-bench", "isl": 8, "osl": 8, "concurrencies": "4", "window_s": 60}}, "no field of sa-bench"),
        ({"environment": {"A": 1}}, "not of type 'string'"),
        ({"model": {"path": "org/name", "container": "x", "precision": "fp4"}}, "model.path"),
    ],
)
def test_the_checker_itself_refuses(change: dict[str, Any], complaint: str) -> None:
    recipe = recipes(RACK)["baseline"]
    assert problems(recipe) == []
    assert any(complaint in problem for problem in problems({**recipe, **change}))


def test_the_checker_counts_gpus_and_nodes() -> None:
    recipe = recipes(RACK)["parallelism+mtp+disaggregation"]
    recipe["roles"]["decode"]["nodes"] = 3
    assert problems(recipe) == ["roles.decode: 1 workers of 16 GPUs do not fit on 3 nodes of 4"]


def test_workers_over_nodes() -> None:
    found = recipes(RACK)
    split = found["parallelism+mtp+disaggregation"]["roles"]
    assert {role: (spec["nodes"], spec["workers"], spec["gpus"]) for role, spec in split.items()} == {"prefill": (4, 4, 4), "decode": (4, 1, 16)}
    decode = split["decode"]["args"]
    assert (decode["tensor_parallel_size"], decode["speculative_config"]["num_nextn_predict_layers"]) == (16, 3)
    whole = found["baseline"]["roles"]
    assert {role: (spec["nodes"], spec["workers"], spec["gpus"]) for role, spec in whole.items()} == {"agg": (2, 1, 8)}
    assert found["baseline"]["resources"] == {"gpu_type": "gb200", "gpus_per_node": 4}


def test_prefill_and_decode_share_a_node_that_holds_both() -> None:
    split = recipes(SMALL)["precision+precision_2+parallelism+mtp+disaggregation"]["roles"]
    assert {role: (spec["nodes"], spec["gpus"]) for role, spec in split.items()} == {"prefill": (1, 1), "decode": ("colocate", 1)}


def test_weights_are_a_folder_an_id_of_the_hub_or_an_alias() -> None:
    assert recipes(SMALL)["baseline"]["model"]["path"] == "hf:meta-llama/Llama-3.3-70B-Instruct"
    assert recipes(SMALL, "model.checkpoints={bf16: /models/llama}")["baseline"]["model"]["path"] == "/models/llama"
    alias = recipes(SMALL, "model.checkpoints={bf16: llama}")["baseline"]
    assert alias["model"] == {"path": "llama", "container": "/images/trtllm.sqsh", "precision": "bf16"}
    assert alias["identity"] == {"frameworks": {"tensorrt_llm": "1.2.1"}}


def test_a_drafter_in_a_folder_is_mounted() -> None:
    target = "precision+precision_2+parallelism+mtp"
    assert "extra_mount" not in recipes(SMALL)[target]
    folder = recipes(SMALL, "engine.draft_model=/models/eagle")
    assert folder[target]["extra_mount"] == ["/models/eagle:/models/eagle:ro"]
    assert "extra_mount" not in folder["baseline"]
    with pytest.raises(ConfigError, match="whole path"):
        recipes(SMALL, "engine.draft_model=./eagle")


def test_what_slurm_is_asked_for() -> None:
    assert not {"slurm", "sbatch_directives"} & set(recipes(RACK)["baseline"])
    words = ("place=slurm", "place.partition=gb200", "place.time_min=150", "place.qos=high", "place.exclusive=true", "place.mem_gib=1.5")
    asked = recipes(RACK, *words, "place.sbatch={reservation: night}")["baseline"]
    assert asked["slurm"] == {"partition": "gb200", "time_limit": "02:30:00"}
    assert asked["sbatch_directives"] == {"qos": "high", "mem": "1536M", "exclusive": "", "reservation": "night"}


def test_load_and_lengths() -> None:
    bench = recipes(RACK, "sweep.concurrencies=[4,8]")["baseline"]["benchmark"]
    assert (bench["isl"], bench["osl"], bench["concurrencies"], bench["req_rate"], bench["random_range_ratio"]) == (1024, 1024, [4, 8], "inf", 1.0)
    # 80 to 100 % of the nominal length is 90 % in the mean.
    assert recipes(RACK, "workload.mean_length_fraction=0.9")["baseline"]["benchmark"]["random_range_ratio"] == 0.8
    with pytest.raises(ConfigError, match="at least half"):
        recipes(RACK, "workload.mean_length_fraction=0.4")


def test_stated_acceptance_and_routers_of_the_front_end() -> None:
    words = ("engine.forced_acceptance=1.5", "engine.server={context_servers.router.type: kv_cache_aware, max_retries: '3'}")
    found = recipes(RACK, *words)
    split = found["parallelism+mtp+disaggregation"]
    assert {spec["env"]["TLLM_SPEC_DECODE_FORCE_NUM_ACCEPTED_TOKENS"] for spec in split["roles"].values()} == {"1.5"}
    assert "env" not in found["baseline"]["roles"]["agg"]
    assert split["frontend"] == {
        "type": "trtllm_serve",
        "enable_multiple_frontends": False,
        "ctx_router": {"type": "kv_cache_aware"},
        "server_config_extra": {"max_retries": 3},
    }


def test_every_variant_is_started_alike_but_for_its_levers() -> None:
    found = recipes(RACK).values()
    assert {one["engine"]["numa_memory_bind"] for one in found} == {False}
    assert {spec["args"]["return_perf_metrics"] for one in found for spec in one["roles"].values()} == {False}


def test_the_head_says_what_it_is_and_what_is_left_out(tmp_path: Path) -> None:
    cfg = compose(RACK, ["place=slurm_modules"])
    plan = make_plan(cfg)
    text = write_recipes(plan, cfg, tmp_path)[0].read_text()
    first, *_ = text.splitlines()
    trial = plan.main.trials[0]
    assert first == f"# {RACK}, plan {plan.digest[:8]}: variant {trial.variant.name}, server setting 0, launch {trial.replicate}."
    assert "Not run with it" in text
    assert "# Not in it: place.setup" in text


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    def tried(*words: str, experiment: str = RACK) -> None:
        cfg = compose(experiment, list(words))
        write_recipes(make_plan(cfg), cfg, tmp_path / "new")

    with pytest.raises(UsageError, match="engine fake has no recipes"):
        tried(experiment="smoke")
    with pytest.raises(ConfigError, match="none is named for TensorRT-LLM") as refused:
        tried("engine.image=''")
    assert refused.value.origin == "engine.image"
    with pytest.raises(UsageError, match="adaptive"):
        tried("sweep=adaptive")
    with pytest.raises(ConfigError, match="ends within a node of 4"):
        tried("lever.parallelism.baseline=[dep6]")
    assert not (tmp_path / "new").exists()


def test_recipes_go_into_a_new_folder(tmp_path: Path) -> None:
    cfg = compose(RACK)
    plan = make_plan(cfg)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is not empty"):
        write_recipes(plan, cfg, tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        write_recipes(plan, cfg, tmp_path / "file")
