"""lm-evaluation-harness: the command it takes and the results it writes, by the keys of lm-eval 0.4.13."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

from frontier.errors import ConfigError, MachineError, RunError
from frontier.quality import lm_eval_command, read_scores, run_lm_eval

# By hand, with the keys of result_schema.py: "metric,filter" pairs beside name, alias and sample_len; N/A where there is no standard error.
RESULTS = {
    "results": {
        "arc_easy": {
            "name": "arc_easy", "alias": "arc_easy", "sample_len": 2376, "acc,none": 0.61, "acc_stderr,none": 0.01, "acc_norm,none": 0.58,
            "acc_norm_stderr,none": 0.0101,
        },
        "wikitext": {"alias": "wikitext", "word_perplexity,none": 24.5, "word_perplexity_stderr,none": "N/A"},
    },
    "versions": {"arc_easy": 1.0, "wikitext": 2.0},
    "higher_is_better": {"arc_easy": {"acc": True, "acc_norm": True}, "wikitext": {"word_perplexity": False}},
    "n-samples": {"arc_easy": {"original": 2376, "effective": 100}, "wikitext": {"original": 62, "effective": 62}},
    "config": {"model": "local-completions"},
}  # fmt: skip


def test_the_command() -> None:
    found = lm_eval_command(Path("/env/bin/python"), "http://127.0.0.1:8000/v1", "m", "/models/m", ["arc_easy", "wikitext"], Path("out"), limit=100)
    assert found[:5] == ["/env/bin/python", "-m", "lm_eval", "run", "--model"]
    arguments = dict(item.split("=", 1) for item in found[found.index("--model_args") + 1].split(","))
    assert arguments["base_url"] == "http://127.0.0.1:8000/v1/completions"
    assert arguments["model"] == "m"
    assert arguments["tokenizer"] == "/models/m"
    assert found[found.index("--tasks") + 1] == "arc_easy,wikitext"
    assert found[-2:] == ["--limit", "100"]


def test_commands_that_would_say_something_else_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least one task"):
        lm_eval_command(Path("python"), "http://x", "m", "t", [], Path("out"))
    with pytest.raises(ConfigError, match=r"tokenizer must hold no comma.*'a,b'"):
        lm_eval_command(Path("python"), "http://x", "m", "a,b", ["arc_easy"], Path("out"))


def test_scores_of_a_results_file(tmp_path: Path) -> None:
    file = tmp_path / "results_2026-01-01T00-00-00.json"
    file.write_text(json.dumps(RESULTS), encoding="utf-8")
    scores = read_scores(file)
    assert [(one.task, one.metric, one.value) for one in scores] == [
        ("arc_easy", "acc", 0.61), ("arc_easy", "acc_norm", 0.58), ("wikitext", "word_perplexity", 24.5),
    ]  # fmt: skip
    assert scores[0].stderr == 0.01
    assert scores[0].samples == 100
    assert scores[0].larger_is_better is True
    assert scores[2].larger_is_better is False
    assert math.isnan(scores[2].stderr)
    assert scores[2].to_dict()["stderr"] is None
    assert scores[2].version == "2.0"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"results": {"a": 1}}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "results_x.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match="no results file"):
        read_scores(file)
    file.write_text('{"results": {"a": {"alias": "a"}}}', encoding="utf-8")
    with pytest.raises(RunError, match="holds no metric"):
        read_scores(file)


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_run_returns_its_own_results_and_keeps_the_log(tmp_path: Path) -> None:
    output, log = tmp_path / "out", tmp_path / "lm_eval.log"
    old = output / "m" / "results_9.json"
    old.parent.mkdir(parents=True)
    old.write_text(json.dumps({"results": {"old": {"acc,none": 0.0}}}), encoding="utf-8")
    write = f"import pathlib, json; print('running'); pathlib.Path({str(output)!r}, 'm', 'results_1.json').write_text(json.dumps({RESULTS!r}))"
    assert [one.task for one in read_scores(run_lm_eval(script(write), output, log))] == ["arc_easy", "arc_easy", "wikitext"]
    assert log.read_text(encoding="utf-8").strip() == "running"


def test_runs_that_end_without_results(tmp_path: Path) -> None:
    output, log = tmp_path / "out", tmp_path / "log"
    with pytest.raises(RunError, match="wrote no results"):
        run_lm_eval(script("pass"), output, log)
    with pytest.raises(RunError, match="ended with code 3"):
        run_lm_eval(script("raise SystemExit(3)"), output, log)
    with pytest.raises(RunError, match=r"did not end within 0\.2 s"):
        run_lm_eval(script("import time; time.sleep(20)"), output, log, timeout_s=0.2)
    with pytest.raises(MachineError, match="no interpreter at"):
        run_lm_eval([str(tmp_path / "python")], output, log)
