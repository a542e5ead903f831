"""Worker files as aiconfigurator's generator writes them, for cases that the kit writes too; made once, read by the tests.

    pip install --no-deps --target FOLDER aiconfigurator==0.12.0 prettytable wcwidth
    PYTHONPATH=FOLDER python tests/golden/generator/make_generated.py

The package is deprecated upstream and no part of the kit. Its texts are parsed and kept as values.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent / "generated.json"
ISL, OSL, BATCH = 1024, 1024, 256
NAMES = ("form", "layout", "drafts", "apart", "kv", "release", "system")
CASES: dict[str, tuple[Any, ...]] = {
    "r1_fp8_tp8": ("fp8_block", "tep8", 0, False, "fp8", "1.2.1", "b200_sxm"),
    "r1_nvfp4_dep8_mtp3": ("nvfp4", "dep8", 3, False, "fp8", "1.3.0rc20", "b200_sxm"),
    "r1_nvfp4_dep8_mtp1_apart": ("nvfp4", "dep8", 1, True, "fp8", "1.3.0rc20", "b200_sxm"),
    "r1_fp8_h200_dep8": ("fp8_block", "dep8", 1, False, "bf16", "1.2.1", "h200_sxm"),
    "llama_fp8_tp4": ("fp8", "tp4", 0, False, "fp8", "1.2.1", "h200_sxm"),
    "llama_bf16_tp8_apart": ("bf16", "tp8", 0, True, "bf16", "1.3.0rc20", "b200_sxm"),
}
MODELS = {"r1": "deepseek-ai/DeepSeek-R1-0528", "llama": "meta-llama/Llama-3.3-70B-Instruct"}
KV = {"fp8": "fp8", "bf16": "bfloat16"}


def worker(case: dict[str, Any], moe: bool) -> dict[str, Any]:
    """Parameters of a worker in the generator's words; on each side of a disaggregated deployment half of the ranks."""
    ranks = int(case["layout"].lstrip("tdep")) // (2 if case["apart"] else 1)
    wide = case["layout"].startswith(("tep", "dep"))
    attention = ranks if case["layout"].startswith("dep") else 1
    found = {"tensor_parallel_size": ranks, "pipeline_parallel_size": 1, "data_parallel_size": attention, "max_batch_size": BATCH}
    found |= {"kv_cache_dtype": KV[case["kv"]]}
    return found | ({"moe_tensor_parallel_size": 1 if wide else ranks, "moe_expert_parallel_size": ranks if wide else 1} if moe else {})


def main() -> None:
    from aiconfigurator.generator.api import generate_backend_artifacts

    out: dict[str, Any] = {"made_by": f"aiconfigurator {version('aiconfigurator')}", "isl": ISL, "osl": OSL, "batch": BATCH, "cases": {}}
    for name, values in CASES.items():
        case = dict(zip(NAMES, values, strict=True))
        family = name.partition("_")[0]
        moe = family == "r1"
        roles = ("prefill", "decode") if case["apart"] else ("agg",)
        given = {
            "ServiceConfig": {"model_path": MODELS[family], "served_model_name": "m"},
            "SlaConfig": {"isl": ISL, "osl": OSL},
            "ModelConfig": {"is_moe": moe, "nextn": case["drafts"]},
            "WorkerConfig": {f"{role}_workers": 1 for role in roles},
            "NodeConfig": {"num_gpus_per_node": 8, "system_name": case["system"]},
            "DynConfig": {"mode": "disagg" if case["apart"] else "agg"},
            "params": {role: worker(case, moe) for role in roles},
        }
        texts = generate_backend_artifacts(given, "trtllm", backend_version=case["release"])
        files = {role: yaml.safe_load(texts[f"extra_engine_args_{role}.yaml"]) for role in roles}
        out["cases"][name] = {**case, "model": MODELS[family], "moe": moe, "files": files}
    FILE.write_text(json.dumps(out, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
