"""From levers to vLLM's command lines; the one place that knows its options. Written for vLLM 0.32 (CPU) and 0.26 (CUDA)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from frontier.errors import ConfigError
from frontier.serving.spec import HANDOVER, INSIDE, PORT, PYTHON, DeploymentSpec, ServerSpec, port_of

PRECISION_FORMS = ("bf16", "w8a16_int8", "w8a8_int8", "fp8", "nvfp4")
DRAFT_KINDS = ("none", "mtp", "ngram")
PLATFORMS = ("cpu", "cuda")
MAX_DRAFT_LEN = {"mtp": 3, "ngram": 8}
# Precision forms that a flag makes out of bf16 weights while they are loaded; the others are checkpoints of their own. The int8 one quantizes the
# experts of a mixture only (vllm/config/quantization.py, 0.32: "linear stays unquantized"): a dense model is then served in bf16, without a warning.
QUANTIZATION = {"w8a16_int8": "int8_per_channel_weight_only", "fp8": "fp8"}
NOTHING_QUANTIZED = {"Quantizing 0 layers": "no layer was quantized, so the model is served as it is on disk under another name"}
BLOCK_TOKENS = {"cpu": 32, "cuda": 16}  # hand-over works on whole blocks; 32 is the smallest the CPU's attention takes


@dataclass(frozen=True)
class VllmLevers:
    """What is varied.

    Attributes
    ----------
    precision_form : str
        One of ``PRECISION_FORMS``: weights and activations; the KV cache stays in bf16. ``w8a8_int8`` and ``nvfp4`` are checkpoints of
        their own; ``w8a16_int8`` works on mixtures of experts only.
    tp, dp : int
        Tensor-parallel ranks of a server; servers that are copies of each other.
    draft_kind : str
        One of ``DRAFT_KINDS``: ``mtp`` drafts with the model's own head, ``ngram`` looks the draft up in the prompt.
    draft_len : int
        Tokens drafted per step; 0 switches drafting off.
    disaggregated : bool
        One server prefills, another decodes.
    """

    precision_form: str = "bf16"
    tp: int = 1
    dp: int = 1
    draft_kind: str = "none"
    draft_len: int = 0
    disaggregated: bool = False

    def __post_init__(self) -> None:
        """Refuse values that mean nothing on any platform."""
        for name, value, valid in (("precision_form", self.precision_form, PRECISION_FORMS), ("draft_kind", self.draft_kind, DRAFT_KINDS)):
            if value not in valid:
                raise ConfigError(f"{name} must be one of {', '.join(valid)}, got {value!r}")
        for name, count in (("tp", self.tp), ("dp", self.dp)):
            if count < 1:
                raise ConfigError(f"{name} must be at least 1, got {count}")
        if self.draft_len < 0:
            raise ConfigError(f"draft_len must be at least 0 tokens, got {self.draft_len}")

    @property
    def drafts(self) -> bool:
        """Whether anything is drafted."""
        return self.draft_kind != "none" and self.draft_len > 0


@dataclass(frozen=True)
class VllmKnobs:
    """What is held fixed.

    Attributes
    ----------
    platform : str
        ``cpu`` or ``cuda``.
    model_path : str
        Folder of the checkpoint.
    served_name : str
    max_model_len : int, tokens
    max_num_seqs : int, requests
        Most that one server runs at once.
    kv_cache_gib : float, GiB
        Of each server; whole GiB on the CPU.
    eager : bool
        No compilation; on the CPU it saves start-up time and was not slower on models of tens of millions of parameters.
    seed : int
    load_format : str
        ``auto`` or ``dummy`` (random weights, nothing read).
    colocate : bool
        With disaggregation, prefill and decode share their devices in time instead of having their own.
    route_replicas : bool
        With ``dp``, one address with a router behind it instead of one address per replica.
    cores_per_device : int
        Cores that a tensor-parallel rank computes on; CPU only.
    cores : tuple of int
        Core numbers to use, CPU only; 0, 1, 2, ... by default.
    synthetic_acceptance : tuple of float, 0 to 1, not rising
        Rate at which the draft of each position is accepted instead of being verified: for random weights, whose speed alone is real. GPUs only.
    extra_args : tuple of str
        More options for every server, last.
    """

    platform: str
    model_path: str
    served_name: str = "model"
    max_model_len: int = 1024
    max_num_seqs: int = 16
    kv_cache_gib: float = 1.0
    eager: bool = True
    seed: int = 0
    load_format: str = "auto"
    colocate: bool = False
    route_replicas: bool = False
    cores_per_device: int = 1
    cores: tuple[int, ...] = ()
    synthetic_acceptance: tuple[float, ...] = ()
    extra_args: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an unknown platform and sizes below one."""
        if self.platform not in PLATFORMS:
            raise ConfigError(f"platform must be one of {', '.join(PLATFORMS)}, got {self.platform!r}")
        for name in ("max_model_len", "max_num_seqs", "cores_per_device"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.platform == "cpu" and (self.kv_cache_gib < 1 or self.kv_cache_gib != int(self.kv_cache_gib)):
            raise ConfigError(f"kv_cache_gib must be whole GiB, at least 1, on the CPU, got {self.kv_cache_gib:g}")


def devices(levers: VllmLevers, knobs: VllmKnobs) -> int:
    """Devices the deployment holds in all: GPUs, or groups of ``cores_per_device`` cores."""
    roles = 2 if levers.disaggregated and not knobs.colocate else 1
    return levers.tp * levers.dp * roles


def deployment(levers: VllmLevers, knobs: VllmKnobs) -> DeploymentSpec:
    """What runs for these levers.

    Raises
    ------
    ConfigError
        If ``knobs.cores`` has fewer cores than the deployment computes on.
    """
    held = devices(levers, knobs)
    groups = _core_groups(held, knobs)
    router = None
    if levers.disaggregated:
        places = [range(levers.tp), range(levers.tp) if knobs.colocate else range(levers.tp, 2 * levers.tp)]
        servers = tuple(_server(role, role, levers, knobs, list(place), groups) for role, place in zip(("prefill", "decode"), places, strict=True))
        router = _router(["--policy", "handover", "--folder", HANDOVER, *_urls(prefill="prefill", decode="decode")], groups)
    else:
        names = ["server"] if levers.dp == 1 else [f"server{number}" for number in range(levers.dp)]
        servers = tuple(
            _server(name, "server", levers, knobs, list(range(number * levers.tp, (number + 1) * levers.tp)), groups)
            for number, name in enumerate(names)
        )
        if knobs.route_replicas and levers.dp > 1:
            router = _router(["--policy", "round_robin", *(word for name in names for word in _urls(replica=name))], groups)
    return DeploymentSpec(servers, router, held, knobs.platform, knobs.served_name)


def _core_groups(held: int, knobs: VllmKnobs) -> list[tuple[int, ...]]:
    """Cores of each device; none on GPUs."""
    if knobs.platform != "cpu":
        return [() for _ in range(held)]
    needed = held * knobs.cores_per_device
    cores = knobs.cores or tuple(range(needed))
    if len(cores) < needed:
        raise ConfigError(f"the deployment computes on {needed} cores, {len(cores)} are named: {list(cores)}")
    size = knobs.cores_per_device
    return [tuple(cores[number * size : (number + 1) * size]) for number in range(held)]


def _server(name: str, role: str, levers: VllmLevers, knobs: VllmKnobs, place: list[int], groups: list[tuple[int, ...]]) -> ServerSpec:
    words = [
        PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1", "--port", PORT,
        "--model", knobs.model_path, "--served-model-name", knobs.served_name, "--load-format", knobs.load_format,
        "--dtype", "bfloat16", "--max-model-len", str(knobs.max_model_len), "--max-num-seqs", str(knobs.max_num_seqs),
        "--seed", str(knobs.seed), "--no-enable-prefix-caching", "--uvicorn-log-level", "warning",
    ]  # fmt: skip
    env = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if knobs.eager:
        words.append("--enforce-eager")
    if levers.precision_form in QUANTIZATION:
        words += ["--quantization", QUANTIZATION[levers.precision_form]]
    if levers.tp > 1:
        words += ["--tensor-parallel-size", str(levers.tp)]
    if levers.drafts:
        words += ["--speculative-config", _compact(_draft(levers, knobs))]
    cores: tuple[int, ...] = ()
    if knobs.platform == "cpu":
        cores = tuple(core for device in place for core in groups[device])
        env["VLLM_CPU_KVCACHE_SPACE"] = str(int(knobs.kv_cache_gib))
        # One list of cores per rank. The number reserved for others is zero: what else runs is placed by the kit.
        env["VLLM_CPU_OMP_THREADS_BIND"] = "|".join(",".join(map(str, groups[device])) for device in place)
    else:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, place))
        words += ["--kv-cache-memory-bytes", str(int(knobs.kv_cache_gib * 2**30))]
    if role in ("prefill", "decode"):
        words += ["--block-size", str(BLOCK_TOKENS[knobs.platform]), "--kv-transfer-config", _compact(_transfer(role))]
        env["PYTHONPATH"] = INSIDE
    if role == "prefill":
        # A prompt that is prefilled in pieces cannot be handed over, so one step must hold a whole one - better, as many as may wait.
        budget = max(knobs.max_model_len, min(knobs.max_num_seqs * knobs.max_model_len, 8192))
        words += ["--no-enable-chunked-prefill", "--max-num-batched-tokens", str(budget)]
    forbidden = NOTHING_QUANTIZED if levers.precision_form in QUANTIZATION else {}
    return ServerSpec(name, (*words, *knobs.extra_args), env, cores, role, forbidden)


def _draft(levers: VllmLevers, knobs: VllmKnobs) -> dict[str, object]:
    drafted: dict[str, object] = {"method": levers.draft_kind, "num_speculative_tokens": levers.draft_len}
    if knobs.synthetic_acceptance:
        drafted |= {"rejection_sample_method": "synthetic", "synthetic_acceptance_rates": list(knobs.synthetic_acceptance)}
    return drafted | ({"prompt_lookup_min": 2, "prompt_lookup_max": 4} if levers.draft_kind == "ngram" else {})


def _transfer(role: str) -> dict[str, object]:
    return {
        "kv_connector": "FolderConnector",
        "kv_connector_module_path": "frontier_handover",
        "kv_role": "kv_producer" if role == "prefill" else "kv_consumer",
        "kv_connector_extra_config": {"shared_storage_path": HANDOVER},
    }


def _router(options: list[str], groups: list[tuple[int, ...]]) -> ServerSpec:
    command = (PYTHON, "-I", f"{INSIDE}/frontier_router.py", "--port", PORT, *options)
    return ServerSpec("router", command, {}, tuple(core for group in groups for core in group), "router")


def _urls(**names: str) -> list[str]:
    return [word for option, name in names.items() for word in (f"--{option}", f"http://127.0.0.1:{port_of(name)}")]


def _compact(document: Mapping[str, object]) -> str:
    return json.dumps(document, separators=(",", ":"))
