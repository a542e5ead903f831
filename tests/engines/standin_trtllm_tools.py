"""An environment with a stand-in for ``trtllm-serve`` and for the client, and checkpoints that weigh nothing."""

from __future__ import annotations

import json
import shutil
import struct
import sys
from pathlib import Path

from standin_tools import CLIENT, TEXT, TOKENIZER

# Nodes of the stand-in job are addresses of this machine's loopback, so a server of one node does not answer at another's.
SRUN = """#!/bin/sh
# srun --mpi=pmix --overlap --nodes N --ntasks T --ntasks-per-node P --nodelist A,B COMMAND...
known="--mpi=pmix --overlap --nodes --ntasks --ntasks-per-node --nodelist"
[ "$1 $2 $3 $5 $7 $9" = "$known" ] || { echo "srun: unrecognized option: $*" >&2; exit 1; }
export SLURM_NNODES=$4 SLURM_NTASKS=$6
[ $(( $4 * $8 )) -ge $6 ] || { echo "srun: error: $6 tasks on $4 nodes of $8" >&2; exit 1; }
shift 9
node=${1%%,*}
shift
for word do
  shift
  [ "$word" = 0.0.0.0 ] && word=$node
  set -- "$@" "$word"
done
exec "$@"
"""
SCONTROL = """#!/bin/sh
# scontrol show hostnames LIST
[ "$1 $2" = "show hostnames" ] || exit 1
echo "$3" | tr , '\\n'
"""
STANDIN = Path(__file__).parents[1] / "standin"


def standin_trtllm_tools(folder: Path, loads: str = "[1,4]") -> list[str]:
    """Overrides that point a staged ablation of DeepSeek-R1 at the stand-ins; the checkpoints are ``fp8_block`` and ``nvfp4`` of the folder."""
    commands = folder / "bin"
    for form, algorithm in (("fp8_block", "FP8"), ("nvfp4", "NVFP4")):
        model = folder / form
        model.mkdir(parents=True)
        (model / "tokenizer.json").write_text(json.dumps(TOKENIZER))
        (model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
        (model / "heldout.jsonl").write_text(json.dumps({"text": TEXT}) + "\n")
        checkpoint_files(model, algorithm)
    write_environment(commands)
    (commands / "client-python").write_text(CLIENT.format(python=sys.executable, standin=STANDIN / "standin_client.py"))
    (commands / "client-python").chmod(0o755)
    forms = [f"model.checkpoints.{form}={folder / form}" for form in ("fp8_block", "nvfp4")]
    return [
        f"engine.server_python={commands / 'python'}", f"engine.client_python={commands / 'client-python'}", *forms, "workload.isl_tokens=16",
        "workload.osl_tokens=8", f"sweep.concurrencies={loads}", "sweep.warmup_s=0.2", "sweep.settle_s=0.2", "sweep.window_s=0.5",
        "sweep.max_point_s=0.7", "sweep.replicates=1",
    ]  # fmt: skip


def write_environment(commands: Path, release: str = "1.2.1") -> Path:
    """A folder with the stand-ins' commands and an interpreter, as the environment of a release; returns the interpreter.

    ``srun`` and ``trtllm-llmapi-launch`` start what follows them once, on this machine.
    """
    commands.mkdir(parents=True)
    for name, script in (("trtllm-serve", "standin_trtllm.py"), ("trtllm-bench", "standin_trtllm_bench.py")):
        (commands / name).write_text(f'#!/bin/sh\nSTANDIN_RELEASE={release} exec {sys.executable} {STANDIN / script} "$@"\n')
    (commands / "trtllm-llmapi-launch").write_text('#!/bin/sh\necho "launched in ${SLURM_NTASKS:-no} tasks"\nexec "$@"\n')
    (commands / "srun").write_text(SRUN)
    (commands / "scontrol").write_text(SCONTROL)
    for command in commands.iterdir():
        command.chmod(0o755)
    (commands / "python").symlink_to(shutil.which("python3") or sys.executable)
    return commands / "python"


def checkpoint_files(folder: Path, algorithm: str) -> None:
    """A checkpoint that is whole and of no weight: one tensor of ten bytes, quantized by its own word."""
    header = json.dumps({"weight": {"dtype": "I8", "shape": [10], "data_offsets": [0, 10]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(10))
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}))
    (folder / "hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": algorithm, "kv_cache_quant_algo": None}}))
