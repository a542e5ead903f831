"""An environment with a stand-in for ``trtllm-serve`` and for the client, and checkpoints that weigh nothing."""

from __future__ import annotations

import json
import shutil
import struct
import sys
from pathlib import Path

from standin_tools import CLIENT, TOKENIZER

STANDIN = Path(__file__).parents[1] / "standin"


def standin_trtllm_tools(folder: Path, loads: str = "[1,4]") -> list[str]:
    """Overrides that point a staged ablation of DeepSeek-R1 at the stand-ins; the checkpoints are ``fp8_block`` and ``nvfp4`` of the folder."""
    commands = folder / "bin"
    commands.mkdir(parents=True)
    for form, algorithm in (("fp8_block", "FP8"), ("nvfp4", "NVFP4")):
        model = folder / form
        model.mkdir()
        (model / "tokenizer.json").write_text(json.dumps(TOKENIZER))
        (model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
        checkpoint_files(model, algorithm)
    (commands / "trtllm-serve").write_text(f"#!/bin/sh\nexec {sys.executable} {STANDIN / 'standin_trtllm.py'} \"$@\"\n")
    (commands / "client-python").write_text(CLIENT.format(python=sys.executable, standin=STANDIN / "standin_client.py"))
    (commands / "python").symlink_to(shutil.which("python3") or sys.executable)
    for name in ("trtllm-serve", "client-python"):
        (commands / name).chmod(0o755)
    forms = [f"model.checkpoints.{form}={folder / form}" for form in ("fp8_block", "nvfp4")]
    return [
        f"engine.server_python={commands / 'python'}", f"engine.client_python={commands / 'client-python'}", *forms, "workload.isl_tokens=16",
        "workload.osl_tokens=8", f"sweep.concurrencies={loads}", "sweep.warmup_s=0.2", "sweep.settle_s=0.2", "sweep.window_s=0.5",
        "sweep.max_point_s=0.7", "sweep.replicates=1",
    ]  # fmt: skip


def checkpoint_files(folder: Path, algorithm: str) -> None:
    """A checkpoint that is whole and of no weight: one tensor of ten bytes, quantized by its own word."""
    header = json.dumps({"weight": {"dtype": "I8", "shape": [10], "data_offsets": [0, 10]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(10))
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}))
    (folder / "hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": algorithm, "kv_cache_quant_algo": None}}))
