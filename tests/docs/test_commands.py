"""Every command of README, CONTRIBUTING and docs/ runs in a copy of the clone, and gives the output that the page shows.

The convention stands in CONTRIBUTING.md: a line with ``$ `` is a command, what follows it is its output, ``...`` matches anything, and
``[exit code N]`` ends the output of a command that fails on purpose.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from doc_pages import ROOT, SHELL, fences, pages

COPIED = ("conf", "containers", "docs/examples", "notebooks", "requirements", "Makefile", "pyproject.toml")
LIMIT_S = 120


@dataclass(frozen=True)
class Command:
    """A command of a page, the line it stands in, and the output shown after it (None: none is shown)."""

    line: int
    text: str
    shown: str | None


# Commands that are not run as they stand: what they start with, why not, and what is run in their place.
# {first} is the first word after the prefix, {rest} everything after it.
NOT_RUN: list[tuple[str, str, str]] = [
    ("git clone ", "needs the network", ""),
    ("cd ", "the commands run in the clone already", ""),
    ("frontier images build kit", "builds an image for minutes", "frontier images build --help"),
    ("frontier images save", "needs an image", "frontier images save --help"),
    ("frontier images load", "needs an archive", "frontier images load --help"),
    ("frontier images note", "needs an archive", "frontier images note --help"),
    ("apptainer ", "is not installed here", ""),
    ("pip wheel ", "fetches packages for minutes", ""),
    ("python tests/containers/", "installs packages", f"test -f {ROOT}/tests/containers/{{first}}"),
    ("make", "installs packages and runs for minutes", "make -n{rest}"),
    ("frontier lab", "starts a server", "frontier lab --help"),
    ("frontier run experiment=deepseek_r1_h200_to_gb200", "predicts for minutes", "frontier plan experiment=deepseek_r1_h200_to_gb200{rest}"),
    ("frontier run experiment=llama_70b_b200", "predicts for minutes", "frontier plan experiment=llama_70b_b200{rest}"),
    ("frontier run experiment=gpt_oss_120b_gb200", "predicts for minutes", "frontier plan experiment=gpt_oss_120b_gb200{rest}"),
    ("frontier run experiment=pocket_cpu", "starts servers for minutes", "frontier plan experiment=pocket_cpu{rest}"),
    ("frontier run experiment=pocket_cpu_quick", "starts servers for minutes", "frontier plan experiment=pocket_cpu_quick{rest}"),
    ("frontier run experiment=pocket_gpu", "starts servers for minutes", "frontier plan experiment=pocket_gpu{rest}"),
    ("frontier rerun deepseek_r1_b200_staged", "needs a run that GPUs made", "frontier rerun --help"),
    ("frontier doctor --install", "installs an engine for minutes", "frontier doctor --help"),
    ("frontier checkpoint make", "trains for minutes", "frontier checkpoint make --help"),
    ("papermill ", "runs a notebook for minutes", "test -f {first}"),
    ("python -m frontier.evidence.residuals", "predicts for minutes", "python -m frontier.evidence.residuals --help"),
    ("python benchmarks/", "a benchmark runs for minutes", f"test -f {ROOT}/benchmarks/{{first}}"),
    ("python tests/golden/", "remakes golden files with packages that are not installed here", f"test -f {ROOT}/tests/golden/{{first}}"),
    ("python -m pytest ", "the tests run already", f"test -e {ROOT}/{{first}}"),
]


def commands(page: Path) -> Iterator[Command]:
    """Commands of a page's console, bash and sh blocks, in order."""
    for start, language, lines in fences(page):
        if language not in SHELL:
            continue
        assert "".join(lines[:1]).startswith("$ "), f"{page.name}:{start}: a {language} block starts with a command ('$ ...')"
        position = 0
        while position < len(lines):
            first, text = position, lines[position][2:]
            while text.endswith("\\"):
                position += 1
                text = text[:-1] + lines[position].strip()
            position += 1
            end = next((i for i in range(position, len(lines)) if lines[i].startswith("$ ")), len(lines))
            shown = "\n".join(line.rstrip() for line in lines[position:end]).strip("\n")
            yield Command(start + 1 + first, text, shown or None)
            position = end


def instead(command: str) -> str:
    """What is run for a command: itself, or its stand-in; empty: nothing."""
    for prefix, _, stand_in in NOT_RUN:
        if command.startswith(prefix) and (prefix.endswith((" ", "/")) or command[len(prefix) :][:1] in ("", " ")):
            rest = command[len(prefix) :]
            return stand_in.format(first=(shlex.split(rest) or [""])[0], rest=rest.replace(" --quiet", ""))
    return command


def environment() -> dict[str, str]:
    """This interpreter's ``frontier`` first on the path, tables without colours."""
    scripts = Path(sys.executable).parent
    assert (scripts / "frontier").exists(), f"no frontier command beside {sys.executable}: pip install -e ."
    return {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}


@dataclass(frozen=True)
class Done:
    """What a command printed, lines without trailing blanks."""

    code: int
    out: str
    err: str

    @property
    def shown(self) -> list[str]:
        """The outputs a page may show: results alone, or after the talk on stderr; a failure with its exit code."""
        if self.code == 0:
            return [self.out, f"{self.err}\n{self.out}".strip("\n")]
        return ["\n".join(part for part in (self.out, self.err, f"[exit code {self.code}]") if part)]


def execute(command: str, clone: Path) -> Done:
    """Run a command as a user in the clone's folder."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=clone, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    out, err = ("\n".join(line.rstrip() for line in text.splitlines()).strip("\n") for text in (done.stdout, done.stderr))
    return Done(done.returncode, out, err)


def matches(shown: str, real: str) -> bool:
    """Whether the output is what the page shows; ``...`` stands for anything, also for several lines or nothing."""
    return re.fullmatch(".*?".join(re.escape(part) for part in shown.split("...")), real, re.DOTALL) is not None


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What the commands of one page may read and change: a copy of the clone without its runs and its source."""
    for name in COPIED:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
        else:
            shutil.copy(source, target)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in pages() if list(commands(page))], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_run_and_show_what_they_print(page: Path, clone: Path) -> None:
    wrong = []
    for command in commands(page):
        text = instead(command.text)
        if not text:
            continue
        real = execute(text, clone)
        expected = re.search(r"\[exit code (\d+)\]$", command.shown or "")
        failed = real.code != (int(expected[1]) if expected else 0)
        # The output of a stand-in is another one; it only has to succeed.
        differs = text == command.text and command.shown is not None and not any(matches(command.shown, output) for output in real.shown)
        if failed or differs:
            wrong.append(f"{page.name}:{command.line}: $ {text}\n--- shown\n{command.shown}\n--- real\n{real.shown[-1]}")
    assert not wrong, "\n\n".join(wrong)


def test_dots_match_anything_and_nothing_else_does() -> None:
    assert matches("a ... c", "a b c")
    assert matches("a\n...\nd", "a\nb\nc\nd")
    assert matches("2.5x", "2.5x")
    assert not matches("2.5x", "2a5x")
    assert not matches("a", "a b")


def test_commands_and_outputs_are_told_apart(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ one \\\n    --more\nout 1\n\nout 2\n$ two\n```\n```python\n$ not\n```\n", encoding="utf-8")
    assert list(commands(page)) == [Command(2, "one --more", "out 1\n\nout 2"), Command(7, "two", None)]


@pytest.mark.parametrize(
    ("command", "run"),
    [
        ("make demo", "make -n demo"),
        ("make", "make -n"),
        ("frontier plan experiment=smoke", "frontier plan experiment=smoke"),
        ("frontier run experiment=smoke", "frontier run experiment=smoke"),
        ("frontier run experiment=llama_70b_b200 design=ladder", "frontier plan experiment=llama_70b_b200 design=ladder"),
        ("frontier run experiment=llama_70b_b200 --quiet", "frontier plan experiment=llama_70b_b200"),
        ("frontier lab --no-browser", "frontier lab --help"),
        ("papermill notebooks/x.ipynb out.ipynb -p experiment smoke", "test -f notebooks/x.ipynb"),
        ("git clone URL", ""),
    ],
)
def test_stand_ins(command: str, run: str) -> None:
    assert instead(command) == run


def test_a_failing_command_is_shown_with_its_exit_code(tmp_path: Path) -> None:
    assert execute("echo a; echo b >&2; exit 3", tmp_path).shown == ["a\nb\n[exit code 3]"]
    assert execute("echo a; echo b >&2", tmp_path).shown == ["a", "b\na"]
