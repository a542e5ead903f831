"""The command's root, the options that several commands share, and what an error looks like."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from frontier import __version__
from frontier.errors import FrontierError

app = typer.Typer(
    name="frontier",
    help="Which change moved an LLM serving frontier, how far, and how surely.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Overrides = Annotated[list[str] | None, typer.Argument(help="experiment=NAME, then key=value overrides", metavar="[KEY=VALUE]...")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document")]
Metric = Annotated[str, typer.Option("--metric", help="total (input + output tokens) or output, per GPU")]
Where = Annotated[list[str] | None, typer.Option("--where", help="keep only rows with COLUMN=VALUE; may be repeated", metavar="COLUMN=VALUE")]
Resamples = Annotated[int, typer.Option("--resamples", help="draws behind each interval")]
Seed = Annotated[int, typer.Option("--seed", help="seed of the draws")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command; exits with the code of the error's class."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        code = app([word for word in words if word != "--debug"], standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except FrontierError as error:
        if debug:
            raise
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(4)
    except BrokenPipeError:  # the reader of a pipe left, as `| head` does; Python would complain once more when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        print("interrupted; the same command continues where it stopped", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        # Click's usage errors come in several classes, all with `format_message`; anything else is a defect and keeps its traceback.
        if not hasattr(error, "format_message"):
            raise
        print(f"UsageError: {error.format_message()}\n  try   frontier --help", file=sys.stderr)
        sys.exit(2)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="print the version and leave")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
