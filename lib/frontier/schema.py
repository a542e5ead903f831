"""One dataclass per configuration group: the types, ranges and defaults of every key in ``conf/``.

Values stand in ``conf/``; what has no honest default is ``MISSING`` (``???`` in YAML). Ranges of single keys and relations between
groups are checked by ``validate`` of :mod:`frontier.config`, which reports all problems at once and then seals the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from frontier.errors import ConfigError


class Sealable:
    """Base of the groups: attributes can be set until the loader seals the object, then never again.

    ``@dataclass(frozen=True)`` does not serve: OmegaConf makes such nodes read-only before Hydra has merged the options into them.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if self.__dict__.get("_sealed", False):
            raise ConfigError(
                f"the configuration is read-only: {name} cannot be set to {value!r}", hint="pass an override to compose"
            )
        object.__setattr__(self, name, value)

    def seal(self) -> None:
        """Make this object and every group inside it read-only."""
        for value in list(self.__dict__.values()):
            for part in value.values() if isinstance(value, dict) else [value]:
                if isinstance(part, Sealable):
                    part.seal()
        object.__setattr__(self, "_sealed", True)


@dataclass
class ClaimConfig(Sealable):
    """The published number an experiment examines."""

    statement: str = MISSING
    source: str = MISSING
    url: str = ""
    ratio: float | None = None  # the claimed ratio, where the claim states one
    interactivity_tok_s_user: float | None = None  # where it is claimed
    workload: str = ""  # option of conf/workload under which it is claimed; empty: not stated


@dataclass
class ModelConfig(Sealable):
    """A model: its identity, what it can do, and where its checkpoints are."""

    name: str = MISSING  # as in the `model` column of the points table
    id: str = MISSING  # Hugging Face id
    revision: str | None = None  # exact commit; needed by engines that load weights
    moe: bool = MISSING
    mtp_layers: int = MISSING  # 0: the model has no MTP head
    precisions: list[str] = MISSING  # forms there is a checkpoint or a recipe for
    kv_precisions: list[str] = MISSING
    published_ids: list[str] = field(default_factory=list)  # names under which published records file this model
    checkpoint: str = ""  # option of conf/checkpoint that is made on this machine, or a folder; empty: id and revision are loaded
    checkpoints: dict[str, str] = field(default_factory=dict)  # precision form -> folder or id, where a form has a checkpoint of its own
    heads: int = 0  # attention heads; 0: not stated


@dataclass
class HardwareConfig(Sealable):
    """A system: GPUs, how they hang together, power and price with the version of their table."""

    name: str = MISSING  # the option's own name, e.g. gb200_nvl72
    hardware: str = MISSING  # as in the `hardware` column: gb200
    title: str = MISSING  # for people: GB200 NVL72
    architecture: str = MISSING  # hopper | blackwell | cpu | ...
    gpus_per_node: int = MISSING
    domain_gpus: int = MISSING  # GPUs in one scale-up (NVLink) domain
    max_gpus: int = MISSING  # largest deployment considered; beyond the domain only disaggregated ones
    system_gpus: int | None = None  # GPUs the whole system has; empty: nodes can be added without limit
    precisions: list[str] = MISSING  # forms the GPU computes natively (weight-only forms: by up-conversion)
    dies_per_package: int = 1
    tdp_w: float | None = None
    all_in_kw_per_gpu: float | None = None
    usd_per_gpu_hr: float | None = None
    cost_table: str = ""  # version and source of the two numbers above


@dataclass
class WorkloadConfig(Sealable):
    """What is asked of the server: nominal lengths and how real requests relate to them."""

    name: str = MISSING
    isl_tokens: int = MISSING
    osl_tokens: int = MISSING
    mean_length_fraction: float = 1.0  # mean length over nominal length
    prompts: str = ""  # file of text to cut prompts from; empty: the checkpoint's held-out text, else random words


@dataclass
class EngineConfig(Sealable):
    """Where points come from. ``kind`` selects the adapter; the rest are its knobs."""

    kind: str = MISSING  # predicted | published | fake | vllm | trtllm | endpoint | none
    backend: str = "trtllm"
    # predicted
    database_version: str = ""  # empty: the newest of the pinned wheel; the resolved one is recorded
    ttft_limit_s: float = 1.0
    # published
    dataset: str = "silicon_sample"
    backends: list[str] = field(default_factory=list)  # keep rows of these engines; empty: all
    # fake
    base_tput_tok_s_gpu: float = 1000.0
    base_interactivity_tok_s_user: float = 100.0
    effects: dict[str, float] = field(default_factory=dict)  # lever -> factor on throughput at target
    noise_cv: float = 0.0  # coefficient of variation between launches
    fail_cells: list[str] = field(default_factory=list)  # variants ("mtp+precision") that crash on purpose
    delay_s: float = 0.0  # time one trial takes
    seed: int = 0
    # engines that start a server (vllm, trtllm)
    platform: str = "cpu"  # cpu | cuda
    server_python: str = ""  # interpreter of an environment that has the engine; empty: the kit's own, see `frontier doctor --install`
    client_python: str = ""  # the same for the load generator
    max_model_len: int = 2048  # tokens
    max_num_seqs: int = 64  # requests a server works on at once
    kv_cache_gib: float = 1.0  # per server; whole GiB on the CPU
    eager: bool = True  # no compilation and no graphs: a launch takes less, a step more
    load_format: str = "auto"  # dummy: random weights made by the engine, where only speed matters
    synthetic_acceptance: list[float] = field(default_factory=list)  # by draft position; drafts are then accepted at this rate instead of verified
    ready_timeout_s: float = 1800.0
    extra_args: list[str] = field(default_factory=list)  # further arguments of every server
    # endpoint: servers that somebody else runs
    url: str = ""  # of the baseline, with or without /v1
    urls: dict[str, str] = field(default_factory=dict)  # variant -> url, where each has a server of its own
    key_env: str = ""  # environment variable with the key; the key itself appears nowhere
    served_name: str = ""  # empty: the only model that the server lists
    gpus: int = 0  # that a deployment holds; 0: a node's
    # trtllm
    release: str = "1.2.1"
    releases: dict[str, str] = field(default_factory=dict)  # release -> interpreter of its environment, where the lever version has several
    images: dict[str, str] = field(default_factory=dict)  # release -> container image, for the record
    serialized: bool = False  # also build a TensorRT engine, which releases up to 1.2 have
    offline: list[int] = field(default_factory=list)  # concurrencies at which trtllm-bench is run too, for comparison
    layout: str = ""  # of a worker where no lever sets it, like tp4 or dep8; empty: tensor parallel over a node
    image: str = ""  # container image that it runs in, for the record
    max_num_tokens: int = 0  # of one step; 0: what workload and drafts need
    free_gpu_memory_fraction: float = 0.8  # for the KV cache, of what is free after loading
    moe_backend: str = ""  # empty: by precision, GPU and release
    stream_interval: int = 1  # tokens between two chunks of an answer
    draft_model: str = ""  # folder or id; eagle3 and draft_target
    forced_acceptance: float | None = None  # mean accepted drafts that are stated instead of verified; rows carry a flag
    transceiver: str = "NIXL"  # how KV caches travel between workers
    context_workers: int = 1
    generation_workers: int = 1
    context_layout: str = ""  # of a prefill worker; empty: half of the variant's
    generation_layout: str = ""  # of a decode worker; empty: half of the variant's
    context_batch_size: int = 8
    launcher: list[str] = field(default_factory=lambda: ["srun", "--mpi=pmix", "--overlap"])  # before workers of a deployment that spans nodes
    worker: dict[str, str] = field(default_factory=dict)  # further keys of every worker's file: dotted key -> value as YAML
    server: dict[str, str] = field(default_factory=dict)  # further keys of the front end's file


@dataclass
class LeverConfig(Sealable):
    """A choice with a baseline and a target level.

    A level is a list of settings; the frontier of a level is the frontier of all its settings. ``unlocked`` adds the target's settings
    to the baseline's, ``forced`` replaces them. A lever that comes ``after`` another takes a third level of the same thing: BF16, FP8, NVFP4.
    """

    column: str = MISSING  # column of the points table that tells the levels apart
    baseline: list[str] = MISSING
    target: list[str] = MISSING
    mode: str = "unlocked"  # unlocked | forced
    title: str = ""
    after: str = ""  # a further step of this lever: it takes its place once it is at target; ladders only
    accepted_drafts: dict[int, float] = field(default_factory=dict)  # mtp: mean accepted drafts by draft length
    source: str = ""  # where levels or assumptions come from


@dataclass
class DesignConfig(Sealable):
    """Which cells are run, and how intervals are computed."""

    kind: str = "factorial"  # factorial | ladder | fractional
    baseline_only: bool = False  # every variant runs at its baseline settings: what is found where nothing was changed (A/A)
    resamples: int = 2000
    confidence: float = 0.95
    seed: int = 1


@dataclass
class SweepConfig(Sealable):
    """Load and repetition."""

    kind: str = "grid"  # grid | adaptive | mlperf_endpoints
    concurrencies: list[int] = field(default_factory=list)
    replicates: int = 1  # launches per variant
    grid_points: int = 65  # interactivities at which curves are evaluated
    order: str = "plan"  # plan | blocks: every replicate a random permutation of the variants
    order_seed: int = 1
    repetition: int = 1  # another number measures everything anew, as a run of its own
    # engines that put load on a server
    warmup_s: float = 2.0  # load at the largest concurrency before the first point of a launch; never counted
    settle_s: float = 3.0  # what a point gets beside its window to become steady
    window_s: float = 10.0  # shortest window of a point
    turnovers: int = 5  # a steady window holds at least this many completions per request in flight
    max_point_s: float = 60.0  # a point that is not steady is measured once more, this long if longer, and marked if it still is not
    # adaptive
    budget_s: float = 3600.0  # launches and points together
    target_error: float = 0.01  # relative standard error of the hypervolume at which a variant is certain enough
    min_replicates: int = 2
    focus: str = "frontier"  # frontier | attribution: what is to become certain


@dataclass
class QualityConfig(Sealable):
    """The gate that a variant's output must pass for its points to count."""

    kind: str = "none"  # none | api
    max_perplexity_increase: float = 0.02  # relative to the baseline, held-out text
    min_greedy_agreement: float = 0.9  # share of tokens that the baseline would choose too
    documents: int = 16
    prompt_tokens: int = 192
    output_tokens: int = 32
    lm_eval_tasks: list[str] = field(default_factory=list)  # further scores by lm-evaluation-harness, for those who have its data
    lm_eval_folder: str = ""  # tasks of one's own, as its YAML files
    lm_eval_limit: int = 0  # documents per task; 0: all


@dataclass
class PlaceConfig(Sealable):
    """Where trials run. It enters no digest of what is computed; the digest of a measurement holds what kind of node was asked for."""

    kind: str = "local"  # local | slurm
    workers: int = 0  # local: processes at once; 0: as many as there are cores, or for measurements as many as find devices
    budget_gpu_hours: float = 0.0  # a run that needs more is refused unless it is confirmed; 0: no limit
    # slurm: options of every job under Slurm's own names; empty and 0: not given, so that the site's default holds
    per: str = "trial"  # trial | build | block: what one job runs, one after another
    partition: str = ""
    account: str = ""
    qos: str = ""
    time_min: int = 60  # limit of one job
    nodes: int = 0  # of one job; 0: what the deployment spans
    gpus_per_node: int | None = None  # empty: what the deployment needs
    gpus_per_task: int = 0
    gres: str = ""
    cpus_per_task: int = 0
    mem_gib: float = 0.0  # per node
    constraint: str = ""
    nodelist: str = ""
    exclude: str = ""
    exclusive: bool | None = None  # slurm: whole nodes; local: a measurement alone, or packed; empty: on cores alone, on GPUs packed
    parallel: int = 0  # jobs of an array at once; 0: no limit
    notice_s: int = 90  # how long before its end a job is told, so that servers end and the job is queued again
    max_tries: int = 3  # starts of one trial, whatever ended them
    sbatch: dict[str, str] = field(default_factory=dict)  # further options of sbatch, without dashes: mail-type, reservation, licenses
    setup: list[str] = field(default_factory=list)  # lines of the job before the kit: module load, source
    python: str = ""  # interpreter of the kit on the nodes; empty: the one that submits
    serials: bool = False  # note serial numbers and UUIDs of the GPUs


@dataclass
class RuntimeConfig(Sealable):
    """The container that a run is executed in. It enters no digest: what ran in it stands in the run's environment and in its trials."""

    kind: str = "host"  # host | podman | docker | apptainer | pyxis
    image: str = ""  # image ID or name; apptainer: the image's file
    gpus: str = ""  # all, or indices like 0,1; empty: none
    network: bool = False  # whether it may reach the network
    memory_gib: float = 0.0  # 0: no limit
    folders: list[str] = field(default_factory=list)  # further folders, readable under their own path: checkpoints, prompts
    environment: list[str] = field(default_factory=list)  # names of variables that are handed over; nothing else is


@dataclass
class ReportConfig(Sealable):
    """What the report shows first."""

    metric: str = "total"  # total | output
    interactivities_tok_s_user: list[float] = field(default_factory=list)  # where ratios are quoted; empty: chosen from the overlap
    formats: list[str] = field(default_factory=lambda: ["png", "svg"])


@dataclass
class PathsConfig(Sealable):
    """Folders; they never enter a digest."""

    artifacts_dir: str = "artifacts"
    cache_dir: str = "artifacts/cache"  # checkpoints made here and the environments of tools
    notebooks_dir: str = "notebooks"


@dataclass
class Config(Sealable):
    """The whole experiment, as composed."""

    name: str = MISSING
    title: str = MISSING
    claim: ClaimConfig = field(default_factory=ClaimConfig)
    gpu_hours: str = ""  # what it would cost on hardware, in words
    model: ModelConfig = field(default_factory=ModelConfig)
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    workload: WorkloadConfig = field(default_factory=WorkloadConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    companion: EngineConfig = field(default_factory=EngineConfig)  # second evidence beside the first; kind none: no companion
    companion_levers: list[str] = field(default_factory=list)
    lever: dict[str, LeverConfig] = field(default_factory=dict)  # in ladder order
    kv_precision: str = "fp8"
    design: DesignConfig = field(default_factory=DesignConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    quality: QualityConfig = field(default_factory=QualityConfig)
    place: PlaceConfig = field(default_factory=PlaceConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)
    systems: dict[str, HardwareConfig] = field(default_factory=dict)  # filled by the loader: every system the levers name


GROUPS: dict[str, Any] = {
    "model": ModelConfig,
    "hardware": HardwareConfig,
    "workload": WorkloadConfig,
    "engine": EngineConfig,
    "design": DesignConfig,
    "sweep": SweepConfig,
    "quality": QualityConfig,
    "place": PlaceConfig,
    "runtime": RuntimeConfig,
    "report": ReportConfig,
    "paths": PathsConfig,
}
