"""Levers become command lines; every combination, and what is refused where."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from frontier.errors import ConfigError, MachineError
from frontier.serving import VllmKnobs, VllmLevers, allocate, checkpoint_facts, deployment, devices, refusals
from frontier.serving.refusals import CheckpointFacts

CPU = VllmKnobs("cpu", "/models/pocket")
CUDA = VllmKnobs("cuda", "/models/pocket")
MIMO = CheckpointFacts("MiMoForCausalLM", 1, "", 4096, 8, 4)


def option(command: tuple[str, ...], name: str) -> str | None:
    return command[command.index(name) + 1] if name in command else None


def test_the_baseline_by_hand() -> None:
    spec = deployment(VllmLevers(), CPU)
    (server,) = spec.servers
    assert (spec.router, spec.devices, spec.fronts, spec.cores) == (None, 1, ("server",), (0,))
    assert " ".join(server.command) == (
        "{python} -m vllm.entrypoints.openai.api_server --host 127.0.0.1 --port {port} --model /models/pocket --served-model-name model "
        "--load-format auto --dtype bfloat16 --max-model-len 1024 --max-num-seqs 16 --seed 0 --no-enable-prefix-caching "
        "--uvicorn-log-level warning --enforce-eager"
    )
    assert server.env["VLLM_CPU_OMP_THREADS_BIND"] == "0"
    assert server.env["HF_HUB_OFFLINE"] == "1"


def test_all_sixteen_combinations_differ_and_hold_what_they_say() -> None:
    seen = set()
    for form, tp, draft, apart in itertools.product(("bf16", "w8a16_int8"), (1, 2), (0, 2), (False, True)):
        levers = VllmLevers(form, tp, 1, "mtp" if draft else "none", draft, apart)
        spec = deployment(levers, CPU)
        assert spec.devices == tp * (2 if apart else 1)
        assert len(spec.cores) == spec.devices
        assert [server.role for server in spec.processes] == (["prefill", "decode", "router"] if apart else ["server"])
        for server in spec.servers:
            assert option(server.command, "--quantization") == ("int8_per_channel_weight_only" if form != "bf16" else None)
            assert option(server.command, "--tensor-parallel-size") == ("2" if tp == 2 else None)
            drafted = option(server.command, "--speculative-config")
            assert (json.loads(drafted) if drafted else None) == ({"method": "mtp", "num_speculative_tokens": 2} if draft else None)
            transfer = option(server.command, "--kv-transfer-config")
            assert (transfer is not None) is apart
            assert len(server.env["VLLM_CPU_OMP_THREADS_BIND"].split("|")) == tp
        assert json.loads(json.dumps(spec.to_dict()))["devices"] == spec.devices
        seen.add("\n".join(spec.shell()))
    assert len(seen) == 16


def test_ngram_and_cores_per_device() -> None:
    spec = deployment(VllmLevers(tp=2, draft_kind="ngram", draft_len=3), VllmKnobs("cpu", "m", cores_per_device=2, cores=(4, 5, 6, 7)))
    assert spec.servers[0].env["VLLM_CPU_OMP_THREADS_BIND"] == "4,5|6,7"
    assert json.loads(option(spec.servers[0].command, "--speculative-config") or "")["method"] == "ngram"
    with pytest.raises(ConfigError, match="computes on 4 cores, 2 are named"):
        deployment(VllmLevers(tp=2), VllmKnobs("cpu", "m", cores_per_device=2, cores=(0, 1)))


def test_places_of_prefill_and_decode() -> None:
    apart = deployment(VllmLevers(tp=2, disaggregated=True), CPU)
    assert [server.cores for server in apart.servers] == [(0, 1), (2, 3)]
    assert apart.devices == 4
    together = deployment(VllmLevers(tp=2, disaggregated=True), VllmKnobs("cpu", "m", colocate=True))
    assert [server.cores for server in together.servers] == [(0, 1), (0, 1)]
    assert together.devices == 2
    assert "http://127.0.0.1:{port:decode}" in together.processes[2].command
    card = deployment(VllmLevers(disaggregated=True), VllmKnobs("cuda", "m", kv_cache_gib=2.5, colocate=True))
    assert [server.env["CUDA_VISIBLE_DEVICES"] for server in card.servers] == ["0", "0"]
    assert option(card.servers[0].command, "--kv-cache-memory-bytes") == str(5 * 2**29)


def test_replicas_have_addresses_of_their_own_or_a_router() -> None:
    levers = VllmLevers(dp=3)
    assert deployment(levers, CPU).fronts == ("server0", "server1", "server2")
    routed = deployment(levers, VllmKnobs("cpu", "m", route_replicas=True))
    assert routed.fronts == ("router",)
    assert routed.processes[-1].command.count("--replica") == 3
    assert devices(levers, CPU) == 3


def test_places_are_filled_and_json_survives() -> None:
    server = deployment(VllmLevers(disaggregated=True), CPU).servers[0]
    command, env = server.filled({"{python}": "/py", "{port}": "81", "{handover}": "/dev/shm/x", "{inside}": "/in"})
    assert command[0] == "/py"
    assert option(command, "--port") == "81"
    assert json.loads(option(command, "--kv-transfer-config") or "")["kv_connector_extra_config"] == {"shared_storage_path": "/dev/shm/x"}
    assert env["PYTHONPATH"] == "/in"


@pytest.mark.parametrize(
    ("levers", "knobs", "there", "reason"),
    [
        (VllmLevers(), CPU, {"cores": 2}, ""),
        (VllmLevers("bf16", 1, 1, "mtp", 2, True), CPU, {"cores": 2}, ""),
        (VllmLevers("w8a16_int8"), CPU, {"cores": 2}, "would leave this dense model in bf16, unnoticed; use w8a8_int8"),
        (VllmLevers("fp8"), CPU, {"cores": 2}, "fp8 is for GPUs"),
        (VllmLevers("nvfp4"), CPU, {"cores": 2}, "nvfp4 is for GPUs"),
        (VllmLevers(tp=2, disaggregated=True), CPU, {"cores": 2}, "needs 4 cores, there are 2"),
        (VllmLevers(draft_kind="mtp", draft_len=4), CPU, {"cores": 2}, "mtp drafts at most 3 tokens, got 4"),
        (VllmLevers(draft_kind="mtp"), CPU, {"cores": 2}, "contradict each other"),
        (VllmLevers(dp=2, disaggregated=True), CPU, {"cores": 8}, "dp must be 1"),
        (VllmLevers("fp8"), CUDA, {"gpus": 1, "capability": (8, 9)}, "fp8 needs compute capability 9.0 or more, this GPU has 8.9"),
        (VllmLevers("fp8"), CUDA, {"gpus": 1, "capability": (9, 0)}, ""),
        (VllmLevers("w8a16_int8"), CUDA, {"gpus": 1, "capability": (9, 0)}, "on the CPU only"),
        (VllmLevers(tp=2), CUDA, {"gpus": 1, "capability": (9, 0)}, "needs 2 GPUs, there are 1"),
        (VllmLevers(tp=3), CPU, {"cores": 4}, "tp 3 does not divide the model's 8 attention heads"),
        (VllmLevers("w8a8_int8"), CPU, {"cores": 2}, "needs a quantized checkpoint"),
        (VllmLevers(), VllmKnobs("cpu", "m", max_model_len=8192), {"cores": 2}, "more than the model's 4096"),
    ],
)
def test_refusals(levers: VllmLevers, knobs: VllmKnobs, there: dict[str, object], reason: str) -> None:
    said = refusals(levers, knobs, checkpoint=MIMO, **there)  # type: ignore[arg-type]
    assert (reason in said) if reason else said == ""


def test_forms_that_a_flag_makes_must_show_in_the_log() -> None:
    assert deployment(VllmLevers("bf16"), CPU).servers[0].forbidden == {}
    assert "Quantizing 0 layers" in deployment(VllmLevers("w8a16_int8"), CPU).servers[0].forbidden
    mixture = CheckpointFacts("MixtralForCausalLM", 0, "", 4096, 8, 4, experts=8)
    assert refusals(VllmLevers("w8a16_int8"), CPU, cores=2, checkpoint=mixture) == ""
    quantized = CheckpointFacts("MiMoForCausalLM", 1, "compressed-tensors", 4096, 8, 4)
    assert refusals(VllmLevers("w8a8_int8"), CPU, cores=2, checkpoint=quantized) == ""
    assert "is quantized (compressed-tensors)" in refusals(VllmLevers("bf16"), CPU, cores=2, checkpoint=quantized)


def test_all_reasons_at_once() -> None:
    said = refusals(VllmLevers("nvfp4", 4, 1, "mtp", 9), CPU, cores=2, checkpoint=CheckpointFacts("Qwen2ForCausalLM", 0, "", 4096, 8, 4))
    assert len(said.split("; ")) == 5


def test_wrong_values_name_the_choices() -> None:
    with pytest.raises(ConfigError, match="bf16, w8a16_int8, w8a8_int8, fp8, nvfp4"):
        VllmLevers("int4")
    with pytest.raises(ConfigError, match="none, mtp, ngram"):
        VllmLevers(draft_kind="eagle")
    with pytest.raises(ConfigError, match="cpu, cuda"):
        VllmKnobs("tpu", "m")
    with pytest.raises(ConfigError, match="whole GiB"):
        VllmKnobs("cpu", "m", kv_cache_gib=0.5)


def test_checkpoint_facts(tmp_path: Path) -> None:
    config = {"architectures": ["MiMoForCausalLM"], "num_nextn_predict_layers": 1, "max_position_embeddings": 512, "num_attention_heads": 6}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert checkpoint_facts(tmp_path) == CheckpointFacts("MiMoForCausalLM", 1, "", 512, 6, 6)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="max_position_embeddings"):
        checkpoint_facts(tmp_path)
    with pytest.raises(ConfigError, match=r"has no config\.json"):
        checkpoint_facts(tmp_path / "nowhere")


def test_cores_are_shared_out() -> None:
    assert (allocate(1, [0, 1]).servers, allocate(1, [0, 1]).client, allocate(1, [0, 1]).flags) == ((0,), (1,), ())
    both = allocate(2, [0, 1])
    assert (both.servers, both.client, both.flags) == ((0, 1), (0, 1), ("client_shares_cores",))
    gpu = allocate(0, range(8))
    assert (gpu.servers, gpu.client, gpu.shared) == (tuple(range(6)), (6, 7), False)
    assert allocate(0, [0, 1, 2]).shared
    with pytest.raises(MachineError, match="needs 3 cores, this process may use 2"):
        allocate(3, [0, 1])
