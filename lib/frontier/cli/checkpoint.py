"""The command `frontier checkpoint`: small models made on this machine."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from frontier.cli.app import Json, app
from frontier.cli.show import print_json, print_rows

if TYPE_CHECKING:
    from frontier.checkpoints import CheckpointSpec

LINE_EVERY = 20  # steps, where stderr is no terminal

checkpoint = typer.Typer(no_args_is_help=True, help="Small models made on this machine, and published shapes with random weights.")
app.add_typer(checkpoint, name="checkpoint")

Cache = Annotated[Path | None, typer.Option("--cache", help="folder of checkpoints; by default in the cache of conf/paths")]
Name = Annotated[str, typer.Argument(help="an option of conf/checkpoint", metavar="NAME")]
Weights = Annotated[str, typer.Option("--weights", help="of published shapes: random writes them, none leaves them to the engine")]


@checkpoint.command("make")
def make(name: Name, cache: Cache = None, weights: Weights = "", as_json: Json = False) -> None:
    """Make a checkpoint, or find the one made before, and say where it is and what it is worth."""
    from frontier import checkpoints

    spec = _spec(name, weights)
    with _display() as tell:
        made = checkpoints.make(spec, _cache(cache), tell)
    if as_json:
        print_json({"path": str(made.path), **made.report})
    else:
        _print(made.path, made.report)


@checkpoint.command("quantize")
def quantize(
    model: Annotated[str, typer.Argument(help="a folder, or an option of conf/checkpoint that is made", metavar="MODEL")],
    form: Annotated[str, typer.Option("--form", help="fp8, nvfp4, int8 or int4_awq")],
    kv: Annotated[str, typer.Option("--kv", help="form of the KV cache: fp8 or nvfp4; by default as it is")] = "",
    texts: Annotated[Path | None, typer.Option("--texts", help='calibration data, {"text": ...} per line; by default heldout.jsonl')] = None,
    samples: Annotated[int, typer.Option("--samples", help="rows of calibration data")] = 64,
    tokens: Annotated[int, typer.Option("--tokens", help="tokens of a row")] = 256,
    seed: Annotated[int, typer.Option("--seed", help="of the order of texts")] = 1,
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """Quantize a checkpoint with ModelOpt and export it in Hugging Face form, or find the one made before."""
    from frontier import checkpoints
    from frontier.errors import RunError
    from frontier.tools import find

    folder = _cache(cache)
    source = Path(model)
    if not source.is_dir():
        made = checkpoints.find(model, folder)
        if made is None:
            raise RunError(f"{model} is no folder, and no checkpoint of that name is made", hint=f"frontier checkpoint make {model}")
        source = made.path
    data = texts or source / "heldout.jsonl"
    if not data.is_file():
        raise RunError(f"no calibration data: {data} is not there", hint='--texts FILE with {"text": ...} per line')
    how = checkpoints.PostTraining(form, kv, samples, tokens, seed)
    found = checkpoints.post_training(source, how, data, folder, find("modelopt", folder.parent / "tools"))
    if as_json:
        print_json({"path": str(found.path), **found.report})
    else:
        facts = [("folder", str(found.path)), ("digest", found.digest[:16]), ("algorithm", str(found.report["algorithm"]))]
        facts += [("scales", str(found.report["scales"])), ("weights", f"{found.report['weight_bytes'] / 2**20:.1f} MiB")]
        print_rows(f"checkpoint {found.report['name']}", facts)


@checkpoint.command("show")
def show(name: Name, cache: Cache = None, weights: Weights = "", as_json: Json = False) -> None:
    """Show a checkpoint that was made: sizes, held-out loss, acceptance of drafts."""
    from frontier import checkpoints
    from frontier.errors import RunError

    folder = _cache(cache)
    found = checkpoints.find_spec(_spec(name, weights), folder)
    if found is None:
        raise RunError(f"checkpoint {name} is not made yet", origin=str(folder), hint=f"frontier checkpoint make {name}")
    if as_json:
        print_json({"path": str(found.path), **found.report})
    else:
        _print(found.path, found.report)


@checkpoint.command("list")
def list_(cache: Cache = None, as_json: Json = False) -> None:
    """List the checkpoints of conf/checkpoint, and which of them are made."""
    from frontier import checkpoints

    folder = _cache(cache)
    rows = []
    for name in checkpoints.spec_names():
        spec = checkpoints.load_spec(name)
        found = checkpoints.find_spec(spec, folder)
        rows.append(
            {"name": name, "weights": spec.weights, "random": spec.random, "speed_only": spec.random, "about": spec.about,
             "path": None if found is None else str(found.path)}
        )  # fmt: skip
    if as_json:
        print_json({"schema": "frontier.checkpoints/1", "cache": str(folder), "checkpoints": rows})
    else:
        kinds = [f"weights: {row['weights']}{', speed only' if row['speed_only'] else ''}; {'made' if row['path'] else 'not made'}" for row in rows]
        print_rows("checkpoints of conf/checkpoint", [(str(row["name"]), f"{kind}. {row['about']}") for row, kind in zip(rows, kinds, strict=True)])


def _spec(name: str, weights: str) -> CheckpointSpec:
    """A specification with the weights that the command line asks for."""
    import dataclasses

    from frontier.checkpoints import load_spec
    from frontier.errors import UsageError

    spec = load_spec(name)
    if not weights:
        return spec
    allowed = ("random", "none") if spec.random else ("trained",)
    if weights not in allowed:
        message = f"--weights of {name}, which is {spec.kind}, must be one of {', '.join(allowed)}, got {weights!r}"
        raise UsageError(message, hint=f"--weights {allowed[0]}")
    return dataclasses.replace(spec, weights=weights)


def _cache(given: Path | None) -> Path:
    """The folder of checkpoints: as given, else in the cache folder of ``conf/paths/default.yaml``."""
    if given is not None:
        return given.expanduser().resolve()
    from frontier.config import conf_dir
    from frontier.config.files import read_option

    conf = conf_dir()
    folder = read_option(conf, conf / "paths" / "default.yaml")["cache_dir"]
    return conf.parent / Path(folder).expanduser() / "checkpoints"


def _print(path: Path, report: dict[str, Any]) -> None:
    """A ``frontier.checkpoint/1`` document for people."""
    rows = [("folder", str(path)), ("digest", report["digest"][:16]), ("parameters", f"{report['parameters'] / 1e6:.1f} million")]
    if report["speed_only"]:
        what = {"random": "random, written", "none": "none: start the engine with load_format=dummy, which makes random ones"}[report["weights"]]
        rows += [("weights", what), ("use", "speed only: what it says means nothing")]
    else:
        before, after, accepted = report["heldout"]["before"], report["heldout"]["after"], report["acceptance"]
        rows += [
            ("held-out loss", f"{before['nats_per_token']:.3f} -> {after['nats_per_token']:.3f} nats/token, "
             f"{before['bits_per_byte']:.3f} -> {after['bits_per_byte']:.3f} bits/byte"),
            ("drafts accepted", ", ".join(f"{number}: {rate:.1%}" for number, rate in enumerate(accepted["by_position"], start=1))
             + f" (first k all accepted, greedy); {accepted['mean_length']:.2f} tokens per step"),
        ]  # fmt: skip
    rows.append(("made in", f"{report['made_in_s']:.0f} s"))
    print_rows(f"checkpoint {report['name']}", rows)


@contextmanager
def _display() -> Iterator[Callable[[str, int, int, float], None]]:
    """Progress on stderr: a line that is written over on a terminal, else one for every twentieth step."""
    terminal = sys.stderr.isatty()
    lines = False

    def tell(stage: str, step: int, steps: int, loss: float) -> None:
        nonlocal lines
        if terminal or step % LINE_EVERY == 0 or step == steps:
            text = f"{stage}  {step}/{steps}" + ("" if loss != loss else f"  loss {loss:.3f} nats/token")
            print(f"\r\x1b[K{text}" if terminal else text, end="" if terminal else "\n", file=sys.stderr, flush=True)
            lines = True

    try:
        yield tell
    finally:
        if terminal and lines:
            print(file=sys.stderr)
