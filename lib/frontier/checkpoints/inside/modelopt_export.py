# mypy: ignore-errors
"""Quantize a checkpoint with ModelOpt and export it in Hugging Face form. Runs in ModelOpt's own environment, on the CPU or a GPU.

    python -I modelopt_export.py --model FOLDER --form nvfp4 --out FOLDER --texts FILE --samples N --tokens N --seed N [--kv fp8]
"""

import argparse
import json
import random
import sys
from pathlib import Path

import modelopt.torch.quantization as mtq
import torch
from modelopt.torch.export import export_hf_checkpoint
from transformers import AutoModelForCausalLM, AutoTokenizer

CONFIGS = {"fp8": "FP8_DEFAULT_CFG", "nvfp4": "NVFP4_DEFAULT_CFG", "int8": "INT8_SMOOTHQUANT_CFG", "int4_awq": "INT4_AWQ_CFG"}


def main():
    """Quantize and export."""
    parser = argparse.ArgumentParser()
    for name, kind in (("model", Path), ("out", Path), ("texts", Path), ("form", str), ("samples", int), ("tokens", int), ("seed", int)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    parser.add_argument("--kv", default="")
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.bfloat16).to(device).eval()
    if not model.config.architectures:
        model.config.architectures = [type(model).__name__]
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    rows = batches(tokenizer, given)

    def calibrate(quantized):
        with torch.no_grad():
            for row in rows:
                quantized(row.to(device))

    config = getattr(mtq, CONFIGS[given.form])
    if given.kv:
        config = mtq.utils.update_quant_cfg_with_kv_cache_quant(config, getattr(mtq, f"{given.kv.upper()}_KV_CFG")["quant_cfg"])
    quantized = mtq.quantize(model, config, calibrate)
    export_hf_checkpoint(quantized, export_dir=given.out)
    tokenizer.save_pretrained(given.out)
    sys.stdout.write(json.dumps({"rows": len(rows), "device": device}) + "\n")


def batches(tokenizer, given):
    """Rows of tokens, each from a text of its own where there are enough, in an order that the seed fixes."""
    texts = [json.loads(line)["text"] for line in given.texts.read_text(encoding="utf-8").splitlines() if line.strip()]
    random.Random(given.seed).shuffle(texts)
    rows = []
    for text in texts:
        ids = tokenizer(text, return_tensors="pt").input_ids[:, : given.tokens]
        if ids.shape[1] == given.tokens:
            rows.append(ids)
        if len(rows) == given.samples:
            break
    if not rows:
        raise SystemExit(f"no text has {given.tokens} tokens: fewer tokens, or longer texts")
    return rows


if __name__ == "__main__":
    main()
