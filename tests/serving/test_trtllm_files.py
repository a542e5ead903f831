"""Files and command lines for TensorRT-LLM: against its contract, its known-bad files, and worked examples. Nothing is run."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from frontier.errors import ConfigError
from frontier.serving.trtllm import (
    FORCED,
    Layout,
    Release,
    TrtllmKnobs,
    TrtllmLevers,
    front_document,
    front_problems,
    moe_backend,
    step_tokens,
    trtllm_deployment,
    trtllm_refusals,
    worker_document,
    worker_problems,
)

CONTRACT = Path(__file__).parents[3] / "shared" / "reference" / "trtllm"
NEWEST = Release.parse("1.3.0rc29")
RELEASES = ["1.0.0", "1.1.0", "1.2.1", "1.3.0rc20", "1.3.0rc29"]
needs_contract = pytest.mark.skipif(not CONTRACT.exists(), reason="the contract's files are not on this machine")


def knobs(release: str = "1.3.0rc29", **more: Any) -> TrtllmKnobs:
    given: dict[str, Any] = {"model": "nvidia/DeepSeek-R1-0528-FP4", "architecture": "blackwell", "moe": True, **more}
    return TrtllmKnobs(Release.parse(release), **given)


def strings(node: Any) -> Any:
    """Keys as texts, as JSON has them."""
    if isinstance(node, dict):
        return {str(key): strings(value) for key, value in node.items()}
    return [strings(value) for value in node] if isinstance(node, list) else node


def contract_errors(document: dict[str, Any], schema: str) -> list[str]:
    validator = pytest.importorskip("jsonschema").Draft202012Validator(json.loads((CONTRACT / schema).read_text()))
    return [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(strings(document))]


@needs_contract
@pytest.mark.parametrize(
    "levers",
    [
        TrtllmLevers(form, layout, kind, length, disaggregated)
        for form, layout, (kind, length), disaggregated in itertools.product(
            ("fp8_block", "nvfp4"),
            (Layout(8), Layout(8, 1, 8), Layout(8, 1, 8, True), Layout(4, 2)),
            (("none", 0), ("mtp", 1), ("mtp", 3), ("eagle3", 3), ("ngram", 4)),
            (False, True),
        )
    ],
    ids=str,
)
def test_everything_that_is_written_keeps_the_contract(levers: TrtllmLevers) -> None:
    held = knobs(draft_model="nvidia/drafter")
    for role in ("prefill", "decode") if levers.disaggregated else ("server",):
        document = worker_document(levers, held, role)
        assert contract_errors(document, "torch_llm_args.schema.json") == []
        assert worker_problems(document, NEWEST) == []
    if levers.disaggregated:
        front = trtllm_deployment(levers, held).router
        assert front is not None
        text = front.files["front.yaml"].replace("{port}", "8000").replace("{port:prefill0}", "8001").replace("{port:decode0}", "8002")
        assert contract_errors(yaml.safe_load(text), "disagg_server.schema.json") == []


@needs_contract
def test_the_examples_are_taken_and_the_bad_files_are_refused() -> None:
    examples, bad = sorted((CONTRACT / "examples").rglob("*.yaml")), sorted((CONTRACT / "bad").glob("*.yaml"))
    assert (len(examples), len(bad)) == (27, 15)
    for file in examples:
        document = yaml.safe_load(file.read_text())
        if "context_servers" not in document:
            assert worker_problems(document, NEWEST) == [], file.name
        elif "mpi" not in file.name:  # the one-file form for MPI workers is not what the kit starts
            assert front_problems(document) == [], file.name
    for file in bad:
        document = yaml.safe_load(file.read_text())
        found = front_problems(document) if "disagg" in file.name else worker_problems(document, NEWEST)
        assert found, file.name


@needs_contract
def test_flags_that_are_typed_exist() -> None:
    known = json.loads((CONTRACT / "cli_flags.json").read_text())["commands"]
    for release, line in (("1.2.1", "<=1.2"), ("1.3.0rc29", "1.3rc")):
        for levers in (TrtllmLevers("nvfp4", Layout(8)), TrtllmLevers("nvfp4", Layout(8), disaggregated=True)):
            for server in trtllm_deployment(levers, knobs(release)).processes:
                name = "trtllm-serve disaggregated" if server.role == "router" else "trtllm-serve serve"
                entries = [each["flags"] for entry in known[name] if entry["versions"] == line for each in entry["flags"]]
                flags = {flag for names in entries for each in names for flag in each.split("/")}
                assert {word for word in server.command if word.startswith("-")} <= flags


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"moe_backend": "CUTLASS"}, "moe_backend is no key of this file: moe_config.backend"),
        ({"quant_config": {"quant_algo": "NVFP4"}}, "the checkpoint decides precision"),
        ({"kv_cache_config": {"free_gpu_mem_fraction": 0.85}}, "free_gpu_memory_fraction"),
        ({"moe_config": {"backend": "WIDEEP"}}, "must be one of AUTO, CUTLASS"),
        ({"speculative_config": {"max_draft_len": 3}}, "decoding_type is missing"),
        ({"speculative_config": {"decoding_type": "Eagle3", "max_draft_len": 3}}, "needs speculative_model"),
        ({"speculative_config": {"decoding_type": "MTP", "max_draft_len": 3, "num_nextn_predict_layers": 3}}, "the same knob"),
        ({"tensor_parallel_size": "8"}, "must be a whole number, got '8'"),
        ({"tensor_parallel_size": True}, "must be a whole number, got True"),
        ({"tensor_parallel_size": 0}, "at least 1"),
        ({"kv_cache_config": None}, "must be a mapping, got None"),
        ({"cuda_graph_config": {"batch_sizes": [1, 8], "max_batch_size": 16}}, "not the largest"),
        ({"tensor_parallel_size": 8, "moe_expert_parallel_size": 3}, "must be tensor_parallel_size 8"),
        ({"tensor_parallel_size": 8, "moe_expert_parallel_size": 8, "moe_config": {"load_balancer": {"num_slots": 300}}}, "divisible"),
    ],
)
def test_what_a_worker_would_not_take_is_said(document: dict[str, Any], says: str) -> None:
    assert says in "; ".join(worker_problems(document, NEWEST))


def test_wide_expert_kernels_are_named_as_the_release_names_them() -> None:
    wide = Layout.parse("dep16")
    assert moe_backend("nvfp4", wide, knobs("1.2.1")) == "WIDEEP"
    assert moe_backend("nvfp4", wide, knobs("1.3.0rc20")) == "CUTEDSL"
    assert worker_problems({"moe_config": {"backend": "WIDEEP"}}, Release.parse("1.2.1")) == []


@pytest.mark.parametrize("release", RELEASES)
def test_a_draft_length_is_written_once_under_the_releases_name(release: str) -> None:
    document = worker_document(TrtllmLevers("nvfp4", Layout(8), "mtp", 3), knobs(release), "server")
    key = "max_draft_len" if release == "1.3.0rc29" else "num_nextn_predict_layers"
    assert document["speculative_config"] == {"decoding_type": "MTP", key: 3}


def test_prefill_workers_overlap_nothing_and_replay_no_graph() -> None:
    levers = TrtllmLevers("nvfp4", Layout.parse("dep8"), "mtp", 3, disaggregated=True)
    prefill, decode = (worker_document(levers, knobs(), role) for role in ("prefill", "decode"))
    assert (prefill["disable_overlap_scheduler"], prefill["cuda_graph_config"]) == (True, None)
    assert "disable_overlap_scheduler" not in decode
    assert decode["cuda_graph_config"] == {"enable_padding": True, "max_batch_size": 256}
    for each in (prefill, decode):
        assert each["cache_transceiver_config"]["backend"] == "NIXL"
        assert each["speculative_config"]["max_draft_len"] == 3
        assert each["kv_cache_config"]["enable_block_reuse"] is False
        assert (each["tensor_parallel_size"], each["moe_expert_parallel_size"], each["enable_attention_dp"]) == (4, 4, True)


def test_a_step_has_room_for_drafts() -> None:
    levers = TrtllmLevers("nvfp4", Layout(8), "mtp", 3)
    assert step_tokens(levers, knobs(isl_tokens=1024, max_batch_size=4096), "server") >= 4 * 4096 + 1024
    assert step_tokens(levers, knobs(max_batch_size=128), "decode") == 512
    said = trtllm_refusals(levers, knobs(max_num_tokens=1024, max_batch_size=256), gpus=8, mtp_layers=1)
    assert said == "max_num_tokens 1024 leaves no room for drafts beside a prompt: at least 2048 are needed"


@pytest.mark.parametrize(
    ("levers", "more", "says"),
    [
        (TrtllmLevers("nvfp4", Layout(8)), {"architecture": "hopper", "moe_backend": "CUTLASS"}, "nvfp4 needs blackwell, the GPU is hopper"),
        (TrtllmLevers("nvfp4", Layout(16)), {}, "needs 16 GPUs, there are 8"),
        (TrtllmLevers("nvfp4", Layout(8), "mtp", 1), {"model": "m"}, "no head for multi-token prediction"),
        (TrtllmLevers("nvfp4", Layout(8), "eagle3", 3), {}, "eagle3 needs engine.draft_model"),
        (TrtllmLevers("nvfp4", Layout(3)), {}, "tp 3 does not divide the model's 128 attention heads"),
        (TrtllmLevers("nvfp4", Layout(3), disaggregated=True), {}, "tp3 cannot be halved for prefill and decode"),
        (TrtllmLevers("bf16", Layout(8, 1, 8)), {"moe": False}, "tep8 spreads experts, and the model has none"),
        (TrtllmLevers("nvfp4", Layout(8)), {"worker": {"use_cuda_graph": True}}, "server worker: use_cuda_graph is no key of this file"),
        (TrtllmLevers("nvfp4", Layout(8)), {"worker": {"max_batch_size": 8}}, "max_batch_size is set by a lever or a knob already"),
        (TrtllmLevers("nvfp4", Layout(8), disaggregated=True), {"server": {"generation_server": {}}}, "front end: generation_server is no key"),
        (TrtllmLevers("nvfp4", Layout(8), "eagle3", 2), {"forced_acceptance": 2.5, "draft_model": "d"}, "more than the 2 that are drafted"),
        (TrtllmLevers("int8", Layout(8)), {}, "no MoE backend is known for int8 on blackwell"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(levers: TrtllmLevers, more: dict[str, Any], says: str) -> None:
    assert says in trtllm_refusals(levers, knobs(**more), gpus=8, mtp_layers=0, heads=128)


def test_devices_and_environment_of_a_disaggregated_deployment() -> None:
    levers = TrtllmLevers("nvfp4", Layout.parse("dep8"), "mtp", 3, disaggregated=True)
    spec = trtllm_deployment(levers, knobs(forced_acceptance=1.5))
    assert [(server.name, server.env["CUDA_VISIBLE_DEVICES"]) for server in spec.servers] == [("prefill0", "0,1,2,3"), ("decode0", "4,5,6,7")]
    assert {server.env[FORCED] for server in spec.servers} == {"1.5"}
    assert spec.devices == 8
    assert spec.fronts == ("router",)
    assert "--server_role CONTEXT" in " ".join(spec.servers[0].command)


def test_a_worker_wider_than_a_node_is_started_over_nodes() -> None:
    spec = trtllm_deployment(TrtllmLevers("nvfp4", Layout.parse("dep16")), knobs(gpus_per_node=4))
    command = " ".join(spec.servers[0].command)
    placed = "--nodes 4 --ntasks 16 --ntasks-per-node 4 --nodelist {nodes}"
    assert command.startswith(f"srun --mpi=pmix --overlap {placed} {{bin}}/trtllm-llmapi-launch {{bin}}/trtllm-serve ")
    assert (spec.servers[0].nodes, spec.nodes) == ((0, 1, 2, 3), 4)
    assert spec.devices == 16


def test_no_worker_lies_across_the_border_of_two_nodes() -> None:
    levers = TrtllmLevers("nvfp4", Layout(8), disaggregated=True)
    spec = trtllm_deployment(levers, knobs(gpus_per_node=4, context_layout=Layout(3), context_workers=2, generation_layout=Layout(4)))
    assert [(server.name, server.nodes, server.env["CUDA_VISIBLE_DEVICES"]) for server in spec.servers] == [
        ("prefill0", (0,), "0,1,2"), ("prefill1", (1,), "0,1,2"), ("decode0", (2,), "0,1,2,3"),
    ]  # fmt: skip
    assert (spec.devices, spec.nodes) == (10, 3)
    assert spec.router is not None
    assert "{host:decode0}:{port:decode0}" in spec.router.files["front.yaml"]


def test_ports_are_numbers_in_the_front_ends_file() -> None:
    front = trtllm_deployment(TrtllmLevers("nvfp4", Layout(8), disaggregated=True), knobs()).router
    assert front is not None
    assert "port: {port}\n" in front.files["front.yaml"]
    document = front_document(TrtllmLevers("nvfp4", Layout(8), disaggregated=True), knobs(generation_workers=2))
    urls = ["{host:decode0}:{port:decode0}", "{host:decode1}:{port:decode1}"]  # three workers of four GPUs are on two nodes
    assert document["generation_servers"] == {"num_instances": 2, "urls": urls}


@pytest.mark.parametrize("text", ["0.17.0", "1.4", "latest", "1.3.0rc"])
def test_a_release_that_is_not_known(text: str) -> None:
    with pytest.raises(ConfigError, match=r"engine\.release|is not known here"):
        Release.parse(text)


def test_releases_are_in_order() -> None:
    texts = ["1.0.0", "1.2.1", "1.3.0rc20", "1.3.0rc24", "1.3.0rc25", "1.3.0"]
    assert [str(release) for release in sorted(map(Release.parse, reversed(texts)))] == texts
    assert [Release.parse(text).serialized_engines for text in ("1.2.1", "1.3.0rc20")] == [True, False]
