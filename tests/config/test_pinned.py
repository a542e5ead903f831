"""Two composed configurations, word for word: a change in any default or option shows here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from frontier.config import compose

# Keys that only engines with a server and load on it look at.
_SERVER: dict[str, Any] = {
    "platform": "cpu",
    "server_python": "",
    "client_python": "",
    "max_model_len": 2048,
    "max_num_seqs": 64,
    "kv_cache_gib": 1.0,
    "eager": True,
    "load_format": "auto",
    "synthetic_acceptance": [],
    "ready_timeout_s": 1800.0,
    "extra_args": [],
}
_LOAD: dict[str, Any] = {
    "order": "plan",
    "order_seed": 1,
    "repetition": 1,
    "warmup_s": 2.0,
    "settle_s": 3.0,
    "window_s": 10.0,
    "turnovers": 5,
    "max_point_s": 60.0,
    "budget_s": 3600.0,
    "target_error": 0.01,
    "min_replicates": 2,
    "focus": "frontier",
}
_NO_QUALITY: dict[str, Any] = {
    "kind": "none",
    "max_perplexity_increase": 0.02,
    "min_greedy_agreement": 0.9,
    "documents": 16,
    "prompt_tokens": 192,
    "output_tokens": 32,
    "lm_eval_tasks": [],
    "lm_eval_folder": "",
    "lm_eval_limit": 0,
}

_SMOKE: dict[str, Any] = {
    "name": "smoke",
    "title": "Smoke test on the fake engine",
    "claim": {
        "statement": "Three simulated changes multiply throughput per GPU by 2.0, 1.5 and 1.25",
        "source": "known answer of the fake engine",
        "url": "",
        "ratio": 3.75,
        "interactivity_tok_s_user": None,
        "workload": "",
    },
    "gpu_hours": "none, everything is simulated",
    "model": {
        "name": "Llama-3.1-70B",
        "id": "meta-llama/Meta-Llama-3.1-70B",
        "revision": None,
        "moe": False,
        "mtp_layers": 0,
        "precisions": ["bf16", "fp8", "nvfp4"],
        "kv_precisions": ["bf16", "fp8"],
        "published_ids": ["Llama-3.1-70B"],
        "checkpoint": "",
    },
    "hardware": {
        "name": "h200_sxm_x8",
        "hardware": "h200_sxm",
        "title": "8 x H200 SXM",
        "architecture": "hopper",
        "gpus_per_node": 8,
        "domain_gpus": 8,
        "max_gpus": 64,
        "system_gpus": 64,
        "precisions": ["bf16", "fp8", "fp8_block", "int8", "w8a16_int8", "w4a16_mxfp4"],
        "dies_per_package": 1,
        "tdp_w": 700.0,
        "all_in_kw_per_gpu": 1.37,
        "usd_per_gpu_hr": 1.22,
        "cost_table": "2026-07-31: SemiAnalysis AI Cloud TCO Model as published in InferenceX's GPU registry "
        "(packages/constants/src/gpu-keys.ts, commit 715c9651be); all-in power per GPU, hourly cost of ownership of a "
        "hyperscaler",
    },
    "workload": {"name": "isl1k_osl1k", "isl_tokens": 1024, "osl_tokens": 1024, "mean_length_fraction": 1.0},
    "engine": {
        "kind": "fake",
        "backend": "trtllm",
        "database_version": "",
        "ttft_limit_s": 1.0,
        "dataset": "silicon_sample",
        "backends": [],
        "base_tput_tok_s_gpu": 1000.0,
        "base_interactivity_tok_s_user": 100.0,
        "effects": {"hardware": 2.0, "precision": 1.5, "parallelism": 1.2, "mtp": 1.4, "disaggregation": 1.25, "batch": 1.3, "version": 1.1},
        "noise_cv": 0.02,
        "fail_cells": [],
        "delay_s": 0.0,
        "seed": 0,
        **_SERVER,
    },
    "companion": {
        "kind": "none",
        "backend": "trtllm",
        "database_version": "",
        "ttft_limit_s": 1.0,
        "dataset": "silicon_sample",
        "backends": [],
        "base_tput_tok_s_gpu": 1000.0,
        "base_interactivity_tok_s_user": 100.0,
        "effects": {},
        "noise_cv": 0.0,
        "fail_cells": [],
        "delay_s": 0.0,
        "seed": 0,
        **_SERVER,
    },
    "companion_levers": [],
    "lever": {
        "hardware": {
            "column": "hardware",
            "baseline": ["h200_sxm_x8"],
            "target": ["b200_sxm_x8"],
            "mode": "forced",
            "title": "Hardware",
            "accepted_drafts": {},
            "source": "",
        },
        "precision": {
            "column": "precision",
            "baseline": ["bf16"],
            "target": ["fp8"],
            "mode": "unlocked",
            "title": "Precision",
            "accepted_drafts": {},
            "source": "",
        },
        "disaggregation": {
            "column": "disagg",
            "baseline": ["aggregated"],
            "target": ["disaggregated"],
            "mode": "unlocked",
            "title": "Disaggregation",
            "accepted_drafts": {},
            "source": "",
        },
    },
    "kv_precision": "fp8",
    "design": {"kind": "factorial", "baseline_only": False, "resamples": 500, "confidence": 0.95, "seed": 1},
    "sweep": {"kind": "grid", "concurrencies": [1, 2, 4, 8, 16, 32, 64, 128, 256], "replicates": 3, "grid_points": 33, **_LOAD},
    "quality": _NO_QUALITY,
    "place": {"kind": "local", "workers": 0},
    "report": {"metric": "total", "interactivities_tok_s_user": [], "formats": ["png", "svg"]},
    "paths": {"artifacts_dir": "artifacts", "cache_dir": "artifacts/cache", "notebooks_dir": "notebooks"},
    "systems": {"h200_sxm_x8": "8 x H200 SXM", "b200_sxm_x8": "8 x B200 SXM"},
}

_DEEPSEEK: dict[str, Any] = {
    "name": "deepseek_r1_h200_to_gb200",
    "title": "DeepSeek-R1 from 8 x H200 to GB200 NVL72",
    "claim": {
        "statement": "GB200 NVL72 delivers up to 15 times the throughput per GPU of H200 on DeepSeek-R1 at 50 tokens/s/user, about "
        "10,000 tokens/s/GPU, with 8K input and 1K output tokens",
        "source": 'NVIDIA technical blog, "NVIDIA Blackwell Leads on SemiAnalysis InferenceMAX v1 Benchmarks", October 2025, figure 1',
        "url": "https://developer.nvidia.com/blog/nvidia-blackwell-leads-on-new-semianalysis-inferencemax-benchmarks",
        "ratio": 15.0,
        "interactivity_tok_s_user": 50.0,
        "workload": "isl8k_osl1k",
    },
    "gpu_hours": "none: predicted and published points only. Measuring the 24 feasible cells (10 loads of 20 minutes, 3 launches each) would "
    "hold 8 to 64 GPUs for 240 hours, 1,920 to 15,360 GPU-hours",
    "model": {
        "name": "DeepSeek-R1",
        "id": "deepseek-ai/DeepSeek-R1",
        "revision": None,
        "moe": True,
        "mtp_layers": 1,
        "precisions": ["fp8_block", "nvfp4"],
        "kv_precisions": ["bf16", "fp8"],
        "published_ids": ["DeepSeek-R1", "DeepSeek-V3", "DeepSeek-R1-NVFP4"],
        "checkpoint": "",
    },
    "hardware": {
        "name": "h200_sxm_x8",
        "hardware": "h200_sxm",
        "title": "8 x H200 SXM",
        "architecture": "hopper",
        "gpus_per_node": 8,
        "domain_gpus": 8,
        "max_gpus": 64,
        "system_gpus": 64,
        "precisions": ["bf16", "fp8", "fp8_block", "int8", "w8a16_int8", "w4a16_mxfp4"],
        "dies_per_package": 1,
        "tdp_w": 700.0,
        "all_in_kw_per_gpu": 1.37,
        "usd_per_gpu_hr": 1.22,
        "cost_table": "2026-07-31: SemiAnalysis AI Cloud TCO Model as published in InferenceX's GPU registry "
        "(packages/constants/src/gpu-keys.ts, commit 715c9651be); all-in power per GPU, hourly cost of ownership of a "
        "hyperscaler",
    },
    "workload": {"name": "isl8k_osl1k", "isl_tokens": 8192, "osl_tokens": 1024, "mean_length_fraction": 1.0},
    "engine": {
        "kind": "predicted",
        "backend": "trtllm",
        "database_version": "",
        "ttft_limit_s": 5.0,
        "dataset": "silicon_sample",
        "backends": [],
        "base_tput_tok_s_gpu": 1000.0,
        "base_interactivity_tok_s_user": 100.0,
        "effects": {},
        "noise_cv": 0.0,
        "fail_cells": [],
        "delay_s": 0.0,
        "seed": 0,
        **_SERVER,
    },
    "companion": {
        "kind": "published",
        "backend": "trtllm",
        "database_version": "",
        "ttft_limit_s": 1.0,
        "dataset": "silicon_sample",
        "backends": [],
        "base_tput_tok_s_gpu": 1000.0,
        "base_interactivity_tok_s_user": 100.0,
        "effects": {},
        "noise_cv": 0.0,
        "fail_cells": [],
        "delay_s": 0.0,
        "seed": 0,
        **_SERVER,
    },
    "companion_levers": ["disaggregation", "hardware", "precision"],
    "lever": {
        "hardware": {
            "column": "hardware",
            "baseline": ["h200_sxm_x8"],
            "target": ["gb200_nvl72"],
            "mode": "forced",
            "title": "Hardware",
            "accepted_drafts": {},
            "source": "",
        },
        "precision": {
            "column": "precision",
            "baseline": ["fp8_block"],
            "target": ["nvfp4"],
            "mode": "unlocked",
            "title": "Precision",
            "accepted_drafts": {},
            "source": "",
        },
        "parallelism": {
            "column": "tp",
            "baseline": ["tp_only"],
            "target": ["domain"],
            "mode": "unlocked",
            "title": "Parallelism",
            "accepted_drafts": {},
            "source": "",
        },
        "mtp": {
            "column": "draft_len",
            "baseline": ["0"],
            "target": ["1", "2", "3"],
            "mode": "unlocked",
            "title": "Multi-token prediction",
            "accepted_drafts": {1: 0.92, 2: 1.58, 3: 1.82},
            "source": 'TensorRT-LLM tech blog 1, "Pushing Latency Boundaries: Optimizing DeepSeek-R1 Performance on NVIDIA B200 '
            'GPUs", table "Autoregressive MTP Layers" (acceptance 1.92, 2.58, 2.82 tokens per step at 1, 2, 3 drafts)',
        },
        "disaggregation": {
            "column": "disagg",
            "baseline": ["aggregated"],
            "target": ["disaggregated"],
            "mode": "unlocked",
            "title": "Disaggregation",
            "accepted_drafts": {},
            "source": "",
        },
    },
    "kv_precision": "fp8",
    "design": {"kind": "factorial", "baseline_only": False, "resamples": 2000, "confidence": 0.95, "seed": 1},
    "sweep": {"kind": "grid", "concurrencies": [1, 2, 4, 8, 16, 32, 64, 128, 256], "replicates": 1, "grid_points": 65, **_LOAD},
    "quality": _NO_QUALITY,
    "place": {"kind": "local", "workers": 0},
    "report": {"metric": "total", "interactivities_tok_s_user": [25.0, 50.0, 75.0], "formats": ["png", "svg"]},
    "paths": {"artifacts_dir": "artifacts", "cache_dir": "artifacts/cache", "notebooks_dir": "notebooks"},
    "systems": {"h200_sxm_x8": "8 x H200 SXM", "gb200_nvl72": "GB200 NVL72"},
}


def _composed(name: str) -> dict[str, Any]:
    content = asdict(compose(name))
    content["systems"] = {key: system["title"] for key, system in content["systems"].items()}
    return content


def test_smoke_is_pinned() -> None:
    assert _composed("smoke") == _SMOKE


def test_deepseek_r1_h200_to_gb200_is_pinned() -> None:
    assert _composed("deepseek_r1_h200_to_gb200") == _DEEPSEEK
