"""Steps of a run around its notebooks: parameters, failures and what is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest

from frontier import runner, session
from frontier.errors import ConfigError, ConfigErrors, RunError
from frontier.plan import root
from frontier.records import read_points
from frontier.runner import execute_notebook, run_experiment
from frontier.store import Store

NOTEBOOK = "20_measure_frontier.ipynb"
SMALL = ["lever=[hardware,disaggregation]", "place.workers=1", "design.resamples=100", "sweep.replicates=2"]


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if a kernel is started."""

    def refuse(*arguments: Any, **keywords: Any) -> None:
        raise AssertionError("a kernel was started")

    monkeypatch.setattr(runner.ThisInterpreter, "start_kernel", refuse)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Do what the notebooks do without kernels; the list names the notebooks executed."""
    executed: list[str] = []

    def execute(path: Path, parameters: Mapping[str, Any], output: Path) -> None:
        executed.append(path.stem)
        start = session.start_run if path.stem.startswith("20") else session.open_run
        run = start(**parameters)
        # What the page looks like is tested elsewhere, and drawing it takes seconds.
        {"20": run.measure, "30": run.attribute, "40": lambda: (run.run.path / "report.html").write_text("")}[path.stem[:2]]()
        output.parent.mkdir(exist_ok=True)
        output.write_text("{}")

    monkeypatch.setattr(runner, "execute_notebook", execute)
    return executed


def notebook(path: Path, *cells: str, parameters: str = 'name: str = "x"\ncount: int = 1') -> Path:
    document = nbformat.v4.new_notebook()
    document.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    first = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    document.cells = [first, *(nbformat.v4.new_code_cell(cell) for cell in cells)]
    nbformat.write(document, path)
    return path


@pytest.mark.usefixtures("no_kernel")
def test_an_unknown_parameter_is_refused_before_a_kernel_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no parameter 'experimnt'; it has artifacts_dir, experiment, overrides, run_id"):
        execute_notebook(root() / "notebooks" / NOTEBOOK, {"experimnt": "smoke"}, tmp_path / "out.ipynb")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_kernel")
@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [("experiment", 3, "str"), ("overrides", "engine=fake", "list"), ("overrides", None, "list"), ("run_id", 20250102, "str")],
)
def test_a_value_of_the_wrong_type_is_refused(tmp_path: Path, name: str, value: object, wanted: str) -> None:
    with pytest.raises(ConfigError, match=f"parameter '{name}' must be {wanted}, got {type(value).__name__}"):
        execute_notebook(root() / "notebooks" / NOTEBOOK, {name: value}, tmp_path / "out.ipynb")


@pytest.mark.usefixtures("no_kernel")
def test_all_wrong_parameters_are_listed(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="2 problems") as caught:
        execute_notebook(root() / "notebooks" / NOTEBOOK, {"experiment": 1, "seed": 2}, tmp_path / "out.ipynb")
    assert len(caught.value.problems) == 2


@pytest.mark.usefixtures("no_kernel")
def test_true_is_not_a_number_and_a_whole_number_is_a_float(tmp_path: Path) -> None:
    path = notebook(tmp_path / "a.ipynb", parameters="count: int = 1\nshare: float = 0.5")
    with pytest.raises(ConfigError, match="'count' must be int, got bool"):
        runner.check_parameters(path, {"count": True})
    runner.check_parameters(path, {"count": 2, "share": 1})


@pytest.mark.usefixtures("no_kernel")
def test_a_notebook_without_parameters_cell_is_refused(tmp_path: Path) -> None:
    document = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}})
    document.cells = [nbformat.v4.new_code_cell("1 + 1")]
    nbformat.write(document, tmp_path / "a.ipynb")
    with pytest.raises(ConfigError, match="no cell tagged 'parameters'"):
        execute_notebook(tmp_path / "a.ipynb", {}, tmp_path / "out.ipynb")


def test_a_failing_cell_is_named_and_its_copy_kept(tmp_path: Path) -> None:
    path = notebook(tmp_path / "a.ipynb", "import sys\nsys.executable, name, count", "1 / 0", "2")
    before = path.read_bytes()
    with pytest.raises(RunError, match=r"a\.ipynb, cell 3: ZeroDivisionError: division by zero"):
        execute_notebook(path, {"name": "y", "count": 5}, tmp_path / "out" / "a.ipynb")
    kept = nbformat.read(tmp_path / "out" / "a.failed-1.ipynb", as_version=4)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["a.failed-1.ipynb"]
    outputs = [output for cell in kept.cells if cell.cell_type == "code" for output in cell.outputs]
    # The kernel is this interpreter, with the parameters as typed objects.
    assert outputs[0]["data"]["text/plain"] == repr((sys.executable, "y", 5))
    assert outputs[1]["ename"] == "ZeroDivisionError"
    assert path.read_bytes() == before


def test_two_kernels_at_once_do_not_meet(tmp_path: Path) -> None:
    path = notebook(tmp_path / "a.ipynb", "import time\ntime.sleep(1)\nname")
    outputs = [tmp_path / "out" / f"{name}.ipynb" for name in ("one", "two")]
    sockets = Path(tempfile.mkdtemp(prefix="t-"))  # short: a socket's path has at most 107 characters
    own = {**os.environ, "TMPDIR": str(sockets)}
    code = "import sys, pathlib as p, frontier.runner as r; r.execute_notebook(p.Path(sys.argv[1]), {'name': sys.argv[2]}, p.Path(sys.argv[3]))"
    started = [subprocess.Popen([sys.executable, "-c", code, str(path), file.stem, str(file)], cwd=root(), env=own) for file in outputs]
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    for file in outputs:
        last = nbformat.read(file, as_version=4).cells[-1]
        assert last.outputs[0]["data"]["text/plain"] == repr(file.stem)
    assert not list(root().glob("kernel-ipc-*"))
    assert not list(sockets.iterdir())
    sockets.rmdir()


def test_failed_variants_make_the_run_incomplete_and_the_next_one_tries_them_again(in_process: list[str], tmp_path: Path) -> None:
    overrides = [*SMALL, "engine.fail_cells=[disaggregation]"]
    first = run_experiment("smoke", overrides, artifacts_dir=tmp_path, progress=False)
    assert (first.status, first.failed) == ("incomplete", ("disaggregation",))
    assert in_process == list(runner.STEPS)
    manifest = first.run.manifest
    assert manifest is not None
    assert sorted(manifest["trials"].values()) == ["done"] * 6 + ["failed"] * 2
    document = json.loads((first.run.path / "attribution.json").read_text())
    assert {cell["cell"]: cell["status"] for cell in document["cells"]}["disaggregation"] != "done"
    second = run_experiment("smoke", overrides, artifacts_dir=tmp_path, progress=False)
    assert second.run != first.run
    for digest, status in manifest["trials"].items():
        one, two = (folder.run.trial_folder(digest) / "trial.json" for folder in (first, second))
        assert one.read_bytes() == two.read_bytes()
        assert (status == "done") == (one.with_name("points.parquet").exists())


def test_a_step_that_fails_leaves_the_run_to_be_continued(in_process: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    working = runner.execute_notebook

    def fail_at_30(path: Path, parameters: Mapping[str, Any], output: Path) -> None:
        if path.stem.startswith("30"):
            raise RunError("30 fails on purpose")
        working(path, parameters, output)

    monkeypatch.setattr(runner, "execute_notebook", fail_at_30)
    with pytest.raises(RunError, match="on purpose"):
        run_experiment("smoke", SMALL, artifacts_dir=tmp_path, progress=False)
    (run,) = Store(tmp_path).list_runs()
    assert run.manifest is None
    in_process.clear()
    monkeypatch.setattr(runner, "execute_notebook", working)
    result = run_experiment("smoke", SMALL, artifacts_dir=tmp_path, progress=False)
    assert result.run == run
    assert result.status == "complete"
    assert in_process == ["30_attribute_shift", "40_write_report"]


def test_the_shares_of_a_run_are_the_known_effects(in_process: list[str], tmp_path: Path) -> None:
    result = run_experiment("smoke", [*SMALL, "engine.noise_cv=0.0"], artifacts_dir=tmp_path, progress=False)
    document = json.loads((result.run.path / "attribution.json").read_text())
    shares = {share["lever"]: share["ratio"] for share in document["shares"]}
    assert shares == pytest.approx({"hardware": 2.0, "disaggregation": 1.25})
    assert document["total"]["ratio"] == pytest.approx(2.5)
    assert document["evidence"] == "simulated"
    assert set(read_points(result.run.path / "points.parquet")["evidence"]) == {"simulated"}


def test_a_wrong_override_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors):
        run_experiment("smoke", ["engine.sed=1"], artifacts_dir=tmp_path / "artifacts", progress=False)
    assert not list(tmp_path.iterdir())


def test_progress_counts_what_is_on_disk(tmp_path: Path, measured: session.Session, capsys: pytest.CaptureFixture[str]) -> None:
    from frontier.progress import Progress, count_trials

    done = count_trials(measured.run, 6)
    assert (done.done, done.running, done.left, done.step) == (4, 0, 2, "measure")
    (measured.run.path / "trials" / "started").mkdir()
    assert count_trials(measured.run, 6).running == 1
    with Progress(measured.run, 6):
        pass
    assert "measure: 4/6 trials done, 1 running, 1 left" in capsys.readouterr().err


def test_opening_without_a_run_says_how_to_make_one(small: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run of experiment 'smoke' has all its trials") as caught:
        session.open_run("smoke", [], str(tmp_path))
    assert "20_measure_frontier" in str(caught.value)


def test_a_named_run_of_another_configuration_is_not_measured(measured: session.Session, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="planned with another configuration"):
        session.start_run("smoke", ["engine.seed=9"], str(tmp_path), measured.run.run_id)
