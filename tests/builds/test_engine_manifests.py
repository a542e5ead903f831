"""Engines as manifests: whole checkpoints only, built once per content, and nothing half."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from frontier.builds import Built, Weights, build_engine, identity, read_weights, refuse_serialized, serialize_command
from frontier.errors import ConfigError, FrontierError, RunError
from frontier.serving.trtllm import Release


def shard(values: int) -> bytes:
    """A safetensors file with one tensor of so many bytes."""
    header = json.dumps({"weight": {"dtype": "I8", "shape": [values], "data_offsets": [0, values]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(values)


def checkpoint(folder: Path, *, algorithm: str = "NVFP4", shards: int = 2) -> Path:
    folder.mkdir()
    names = [f"model-{number}.safetensors" for number in range(shards)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(shard(10 + number))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {f"layer{n}.weight": name for n, name in enumerate(names)}}))
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}))
    (folder / "hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": algorithm, "kv_cache_quant_algo": "FP8"}}))
    return folder


def decided(weights: Weights, **workers: Any) -> dict[str, Any]:
    return identity(weights, "nvfp4", "fp8", "1.2.1", "", workers or {"server": {"tensor_parallel_size": 8}})


def build(folder: Path, cache: Path, **more: Any) -> Built:
    weights = read_weights(folder, "nvfp4")
    return build_engine(weights, "nvidia/model", decided(weights), cache, **more)


def test_the_manifest_holds_what_decides_the_engine(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model")
    built = build(folder, tmp_path / "cache")
    manifest = json.loads((built.folder / "engine.json").read_text())
    assert manifest["schema"] == "frontier.engine/1"
    assert manifest["precision"] == {"weights": "nvfp4", "algorithm": "nvfp4", "kv_cache": "fp8", "kv_algorithm": "fp8"}
    assert manifest["workers"]["server"]["tensor_parallel_size"] == 8
    first = (folder / "model-0.safetensors").read_bytes()
    assert manifest["files"]["model-0.safetensors"] == {"bytes": len(first), "sha256": hashlib.sha256(first).hexdigest()}
    assert manifest["checkpoint"]["bytes"] == sum(file.stat().st_size for file in folder.iterdir())


def test_equal_content_is_one_engine_and_other_content_another(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first, again = build(checkpoint(tmp_path / "a"), cache), build(checkpoint(tmp_path / "b"), cache)
    assert (first.digest, again.reused) == (again.digest, True)
    weights = read_weights(tmp_path / "a")
    others = [decided(weights, server={"tensor_parallel_size": 4}), {**decided(weights), "release": "1.1.0"}, {**decided(weights), "image": "a"}]
    digests = {build_engine(weights, "m", other, cache).digest for other in others} | {first.digest}
    (tmp_path / "a" / "model-0.safetensors").write_bytes(shard(10)[:-1] + b"\x01")
    digests.add(build(tmp_path / "a", cache).digest)
    assert len(digests) == 5


def test_two_builds_at_once_make_one(tmp_path: Path) -> None:
    folder, cache = checkpoint(tmp_path / "model"), tmp_path / "cache"
    found: list[Built] = []
    threads = [threading.Thread(target=lambda: found.append(build(folder, cache))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({built.digest for built in found}) == 1
    assert sorted(built.reused for built in found) == [False, True, True, True]


def test_what_an_interrupted_build_left_is_never_taken(tmp_path: Path) -> None:
    folder, cache = checkpoint(tmp_path / "model"), tmp_path / "cache"
    whole = build(folder, cache)
    (whole.folder / "engine.json").write_text('{"schema": "frontier.engine/1", "dig')
    (cache / f".building-{whole.digest[:16]}").mkdir()
    again = build(folder, cache)
    assert (again.digest, again.reused) == (whole.digest, False)
    assert not list(cache.glob(".building-*"))


def cut(folder: Path) -> None:
    file = folder / "model-1.safetensors"
    file.write_bytes(file.read_bytes()[:-3])


@pytest.mark.parametrize(
    ("spoil", "kind", "says"),
    [
        (cut, RunError, "model-1.safetensors has .* its header says .*: it is truncated or damaged"),
        (lambda folder: (folder / "model-0.safetensors").unlink(), RunError, "1 of 2 files with weights are missing: model-0.safetensors"),
        (lambda folder: (folder / "model-0.safetensors").write_bytes(b"no"), RunError, "no whole safetensors file"),
        (lambda folder: (folder / "config.json").unlink(), RunError, "it has no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), RunError, "config.json cannot be read"),
        (lambda folder: (folder / "hf_quant_config.json").write_text("[]"), RunError, "hf_quant_config.json cannot be read"),
        (lambda folder: (folder / "hf_quant_config.json").unlink(), ConfigError, "the checkpoint named for nvfp4 holds plain weights"),
    ],
)
def test_a_checkpoint_that_is_not_what_it_should_be(
    tmp_path: Path, spoil: Callable[[Path], object], kind: type[FrontierError], says: str
) -> None:
    folder = checkpoint(tmp_path / "model")
    spoil(folder)
    with pytest.raises(kind, match=says):
        build(folder, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_serialized_engine_is_built_with_its_log(tmp_path: Path) -> None:
    script = "import pathlib, sys; print('building'); pathlib.Path(sys.argv[1], 'rank0.engine').write_bytes(bytes(100))"
    built = build(checkpoint(tmp_path / "model"), tmp_path / "cache", serialize=[sys.executable, "-c", script, "{engine}"])
    assert (built.folder / "serialized" / "rank0.engine").stat().st_size == 100
    assert built.manifest["serialized"]["files"] == {"rank0.engine": 100}


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("import sys; print('CUDA out of memory'); sys.exit(3)", "ended with code 3.*CUDA out of memory"),
        ("pass", "wrote nothing"),
        ("import time; time.sleep(30)", "did not end within 0.5 s"),
    ],
)
def test_a_build_that_fails_leaves_its_log_and_no_engine(tmp_path: Path, script: str, says: str) -> None:
    folder = checkpoint(tmp_path / "model")
    command, limit_s = [sys.executable, "-c", script], 0.5 if "sleep" in script else 20.0
    with pytest.raises(RunError, match=f"(?s){says}"):
        build(folder, tmp_path / "cache", serialize=command, timeout_s=limit_s)
    left = sorted(file.name.split(".", 1)[-1] for file in (tmp_path / "cache").iterdir() if not file.name.startswith("."))
    assert left == ["build.log"]


def test_a_release_without_serialized_engines_says_so() -> None:
    for release in ("1.0.0", "1.2.1"):
        refuse_serialized(release, Release.parse(release).serialized_engines)
    with pytest.raises(ConfigError, match=r"1\.3\.0rc20 has no serialized engines, they ended with 1\.2"):
        refuse_serialized("1.3.0rc20", Release.parse("1.3.0rc20").serialized_engines)


def test_the_build_command_is_one_of_the_releases_that_have_it() -> None:
    contract = Path(__file__).parents[3] / "shared" / "reference" / "trtllm" / "cli_flags.json"
    command = serialize_command("/bin", "nvidia/model", "/models/m", (8, 1), 256, 8192)
    assert command[command.index("build") - 2 :][0] == "--workspace"
    if not contract.exists():
        pytest.skip("the contract's files are not on this machine")
    known = json.loads(contract.read_text())["commands"]
    entries = [each["flags"] for name in ("trtllm-bench", "trtllm-bench build") for each in known[name][0]["flags"]]
    flags = {word for names in entries for each in names for word in each.split("/")}
    assert {word for word in command if word.startswith("--")} <= flags


def test_a_full_disk_stops_a_build_and_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, cache = checkpoint(tmp_path / "model"), tmp_path / "cache"

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("frontier.builds.engine.os.fsync", full)
        with pytest.raises(RunError, match="cannot write the engine: No space left on device") as caught:
            build(folder, cache)
    assert "free space" in str(caught.value.hint)
    assert [file.name for file in cache.iterdir() if not file.name.endswith(".lock")] == []
    assert not build(folder, cache).reused


def test_a_builder_that_meets_a_full_disk_is_told_by_its_last_words(tmp_path: Path) -> None:
    folder, cache = checkpoint(tmp_path / "model"), tmp_path / "cache"
    script = "import sys; open(sys.argv[1] + '/rank0.engine', 'wb').write(b'half'); sys.exit('OSError: [Errno 28] No space left on device')"
    with pytest.raises(RunError, match=r"(?s)the build ended with code 1.*No space left on device"):
        build(folder, cache, serialize=[sys.executable, "-c", script, "{engine}"])
    assert list(cache.rglob("*.engine")) == []
