"""What a load is: the requests, their concurrency and how long; and aiperf's configuration for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier.errors import UsageError
from frontier.load.aiperf_export import WARMUP, cell_name

# A phase in which more than this share of the requests fails is ended by the client: a server that is gone refuses a thousand requests a second.
FAILED_SHARE = 0.5
# aiperf's own `concurrency` phases wait for a free slot in a loop without sleep, which takes a whole core (measured: 0.9 of one). A constant rate
# far above what the server gives, capped at the concurrency, is the same closed loop: a free slot is filled at the next tick.
TICKS_PER_S = 1000.0


@dataclass(frozen=True)
class Load:
    """Closed loops at one concurrency after the other, on one deployment.

    Parameters
    ----------
    urls : tuple of str
        Base addresses (``http://127.0.0.1:8000``); requests go to them in turn.
    served_name : str
        Model name that the server knows.
    tokenizer : Path
        Folder of the model with ``tokenizer.json`` and ``tokenizer_config.json``.
    isl_tokens, osl_tokens : int, tokens
        Exact input length; output length asked for.
    concurrencies : tuple of int
        In the order in which they are measured; a value may come more than once.
    warmup_s : float, seconds
        One warm-up before the first cell at the largest concurrency; its requests are recorded and never counted.
    warmup_requests : int, optional
        Warm-up by count; exclusive with ``warmup_s``.
    settle_s, window_s : float, seconds
        Each cell lasts their sum: time for it to become steady, and the window that must then fit.
    max_s : float, seconds
        Limit of the whole call, start-up included; past it the client is stopped and what there is is kept.
    wait_for_server_s : float, seconds
        How long the client asks for a first answer before it begins; 0: the server is known to be ready.
    prompts : int
        Distinct prompts; a load that sends more begins again (`LoadResult.repeated_prompts`).
    ignore_eos : bool
        Ask for exactly ``osl_tokens`` of output.
    temperature : float
    seed : int
    salt : str
        Other salts give other prompts: name the point and the replicate.
    prompts_file : Path, optional
        Real text, cut to length; random words without it.
    request_timeout_s : float, seconds
    key_env : str
        Environment variable with the key that a server asks for; the client reads it, and no file holds it.
    """

    urls: tuple[str, ...]
    served_name: str
    tokenizer: Path
    isl_tokens: int
    osl_tokens: int
    concurrencies: tuple[int, ...]
    warmup_s: float | None = None
    warmup_requests: int | None = None
    settle_s: float = 3.0
    window_s: float = 8.0
    max_s: float = 600.0
    wait_for_server_s: float = 0.0
    prompts: int = 1000
    ignore_eos: bool = True
    temperature: float = 0.0
    seed: int = 0
    salt: str = ""
    prompts_file: Path | None = None
    request_timeout_s: float = 120.0
    key_env: str = ""

    def __post_init__(self) -> None:
        problems = [
            f"{name} {rule}, got {value!r}"
            for name, value, good, rule in (
                ("urls", self.urls, bool(self.urls) and all(map(_is_address, self.urls)), "must be http(s) addresses"),
                ("served_name", self.served_name, bool(self.served_name), "must be the name the server knows"),
                ("isl_tokens", self.isl_tokens, self.isl_tokens >= 1, "must be at least 1"),
                ("osl_tokens", self.osl_tokens, self.osl_tokens >= 1, "must be at least 1"),
                ("concurrencies", self.concurrencies, min(self.concurrencies, default=0) >= 1, "must be one or more, each at least 1"),
                ("warmup_s", self.warmup_s, self.warmup_s is None or self.warmup_s > 0, "must be more than 0"),
                ("warmup_requests", self.warmup_requests, self.warmup_requests is None or self.warmup_requests >= 1, "must be at least 1"),
                ("settle_s", self.settle_s, self.settle_s >= 0, "must be at least 0"),
                ("window_s", self.window_s, self.window_s > 0, "must be more than 0"),
                ("max_s", self.max_s, self.max_s > self.measuring_s, f"must be more than warm-up and cells take ({self.measuring_s:g} s)"),
                ("prompts", self.prompts, self.prompts >= 1, "must be at least 1"),
                ("temperature", self.temperature, self.temperature >= 0, "must be at least 0"),
                ("request_timeout_s", self.request_timeout_s, self.request_timeout_s > 0, "must be more than 0"),
            )
            if not good
        ]
        if self.warmup_s is not None and self.warmup_requests is not None:
            problems.append("warmup_s and warmup_requests exclude each other, got both")
        if problems:
            raise UsageError("; ".join(problems), origin="load")

    @property
    def cell_s(self) -> float:
        """How long a cell lasts, seconds."""
        return self.settle_s + self.window_s

    @property
    def measuring_s(self) -> float:
        """Warm-up by time and all cells, seconds."""
        return (self.warmup_s or 0.0) + len(self.concurrencies) * (self.settle_s + self.window_s)

    def phases(self) -> dict[str, tuple[int, int | None]]:
        """Name of each phase, its concurrency and its cell (None: warm-up), in order, the warm-up first."""
        phases: dict[str, tuple[int, int | None]] = {}
        if self.warmup_s is not None or self.warmup_requests is not None:
            phases[WARMUP] = (max(self.concurrencies), None)
        return phases | {cell_name(concurrency, number): (concurrency, number) for number, concurrency in enumerate(self.concurrencies)}


def _is_address(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def configuration(load: Load, dataset: Path, folder: Path, *, workers: int) -> dict[str, Any]:
    """The configuration file of aiperf 0.13 for a load: every cell is a phase of one call, since a call costs seconds and a phase hundredths."""
    grace = load.request_timeout_s
    phases: list[dict[str, Any]] = []
    for name, (concurrency, _) in load.phases().items():
        phase: dict[str, Any] = {"name": name, "kind": "profiling", "type": "constant", "rate": TICKS_PER_S, "concurrency": concurrency}
        if name == WARMUP:
            phase["kind"] = "warmup"
            phase |= {"requests": load.warmup_requests} if load.warmup_requests else {"duration": load.warmup_s, "gracePeriod": grace}
        else:
            phase |= {"duration": load.cell_s, "gracePeriod": grace, "failedRequestThreshold": FAILED_SHARE}
        phases.append(phase)
    extra: dict[str, Any] = {"temperature": load.temperature}
    if load.ignore_eos:
        extra |= {"ignore_eos": True}
    endpoint: dict[str, Any] = {
        "urls": list(load.urls), "type": "completions", "streaming": True, "timeout": load.request_timeout_s,
        "useServerTokenCount": True, "extra": extra,
    }  # fmt: skip
    if load.key_env:
        endpoint |= {"apiKey": f"${{{load.key_env}}}"}
    if load.wait_for_server_s > 0:
        endpoint |= {"waitForModelTimeout": load.wait_for_server_s, "waitForModelInterval": 0.25}
    return {
        "schemaVersion": "2.0",
        "randomSeed": load.seed,
        "benchmark": {
            "model": load.served_name,
            "endpoint": endpoint,
            "dataset": {"type": "file", "format": "single_turn", "path": str(dataset), "sampling": "sequential"},
            "phases": phases,
            "tokenizer": {"name": str(load.tokenizer.absolute())},
            "gpuTelemetry": {"enabled": False},
            "serverMetrics": {"enabled": False},
            "runtime": {"ui": "none", "workers": workers, "recordProcessors": 1},
            "artifacts": {"dir": str(folder), "summary": ["json"], "records": ["jsonl"]},
        },
    }
