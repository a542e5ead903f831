"""What a configuration must not say: each refusal with its message, its origin and the way out; all at once."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from frontier.config import compose, conf_dir, vocabulary
from frontier.config.overrides import parse_overrides
from frontier.errors import ConfigErrors

_R1 = "deepseek_r1_h200_to_gb200"
_LLAMA = "llama_70b_b200"


def _problems(experiment: str | None, overrides: Sequence[str], conf: Path | None = None) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        compose(experiment, overrides, conf)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


# overrides, words that the one problem must hold: the value, the rule, the choices, the origin
_Case = tuple[list[str], list[str]]
_OVERRIDES: list[_Case] = [
    # keys and options
    # keys, options, experiments
    (["design.sed=1"], ["there is no key design.sed", "did you mean 'seed'?", "confidence", "override design.sed=1"]),
    (["desing.seed=1"], ["there is no key desing", "did you mean 'design'?"]),
    (["foo=1"], ["there is no group or key 'foo'", "one of: model, hardware"]),
    (["+foo=1"], ["there is no group or key 'foo'", "override +foo=1"]),
    (["++design.sed=1"], ["there is no key design.sed"]),
    (["+design.seed=3"], ["keys cannot be added: +design.seed", "without the plus: design.seed=3"]),
    (["~design.seed"], ["keys cannot be deleted"]),
    (["design.seed"], ["cannot read the override 'design.seed'", "key=value"]),
    (["design.seed=1,2"], ["design.seed must have one value, got a sweep"]),
    (["design.seed=1", "design.seed=2"], ["design.seed is given twice: design.seed=1 and design.seed=2"]),
    (["title=${oc.env:HOME}"], ["title must be a value, got an interpolation"]),
    (["hydra.run.dir=x"], ["there is no key hydra"]),
    (["workload.isl_tokens.x=1"], ["workload.isl_tokens is a value and has no keys"]),
    (["model=llama"], ["model has no option 'llama'", "did you mean 'llama_70b'?", "deepseek_r1", "override model=llama"]),
    (["model={a: 1}"], ["model has no option {'a': 1} (a name is needed)"]),
    (["engine@companion=fak"], ["engine@companion has no option 'fak'", "did you mean 'fake'?"]),
    (["model@companion=llama_70b"], ["there is no group model@companion"]),
    (["lever=[precison]"], ["lever has no option 'precison'", "did you mean 'precision'?"]),
    (["lever=[precision,precision]"], ["a lever is named twice: precision"]),
    (["lever.foo.mode=forced"], ["there is no lever 'foo'"]),
    # types
    (["workload.isl_tokens=abc"], ["workload.isl_tokens must be a whole number, got 'abc'"]),
    (["workload.isl_tokens=2.5"], ["workload.isl_tokens must be a whole number, got 2.5"]),
    (["sweep.replicates=true"], ["sweep.replicates must be a whole number, got True"]),
    (["sweep.replicates=null"], ["sweep.replicates must be a whole number, got None"]),
    (["engine.noise_cv=[1]"], ["engine.noise_cv must be a number, got [1]"]),
    (["lever.precision.target=fp8"], ["must be a list of texts, got 'fp8'", "lever.precision.target=[fp8]"]),
    (["sweep.concurrencies=[1,x]"], ["sweep.concurrencies must be a list of whole numbers"]),
    (["model.moe=perhaps"], ["model.moe must be true or false, got 'perhaps'"]),
    (["claim.ratio=big"], ["claim.ratio must be a number or null, got 'big'"]),
    (["design.seed={a: 1}"], ["design.seed must be a whole number, got {'a': 1}"]),
]
_RANGES: list[_Case] = [
    (["workload.isl_tokens=0"], ["workload.isl_tokens must be at least 1 token, got 0", "try   workload.isl_tokens=1"]),
    (["workload.osl_tokens=1"], ["workload.osl_tokens must be at least 2 tokens"]),
    (["workload.mean_length_fraction=1.5"], ["workload.mean_length_fraction must be above 0 and at most 1, got 1.5"]),
    (["sweep.replicates=0"], ["sweep.replicates must be at least 1 launch, got 0"]),
    (["sweep.concurrencies=[]"], ["sweep.concurrencies must be a list", "at least one, got []"]),
    (["sweep.concurrencies=[4,0]"], ["sweep.concurrencies", "at least 1 request", "got [4, 0]"]),
    (["sweep.concurrencies=[4,4]"], ["sweep.concurrencies", "without repetition", "got [4, 4]"]),
    (["sweep.grid_points=1"], ["sweep.grid_points must be at least 2, got 1"]),
    (["design.confidence=1"], ["design.confidence must be between 0 and 1, both excluded, got 1.0"]),
    (["design.confidence=nan"], ["design.confidence must be between 0 and 1", "got nan"]),
    (["design.resamples=99"], ["design.resamples must be at least 100, got 99"]),
    (["design.kind=half"], ["design.kind must be one of factorial, ladder, fractional, got 'half'"]),
    (["place.workers=-1"], ["place.workers must be at least 0, got -1"]),
    (["report.metric=input"], ["report.metric must be one of total, output, got 'input'"]),
    (["report.interactivities_tok_s_user=[-1]"], ["report.interactivities_tok_s_user", "more than 0 tokens/s/user"]),
    (["report.formats=[gif]"], ["report.formats", "one of png, svg", "got ['gif']"]),
    (["lever.precision.mode=free"], ["lever.precision.mode must be one of unlocked, forced, got 'free'"]),
    (["lever.precision.column=colour"], ["lever.precision.column must be one of evidence"]),
    (["engine.kind=real"], ["engine.kind must be one of predicted, published, fake, vllm, trtllm, endpoint, none, got 'real'"]),
    (["engine.backend=tgi"], ["engine.backend must be one of trtllm, vllm, sglang, got 'tgi'"]),
    (["engine.ttft_limit_s=inf"], ["engine.ttft_limit_s must be more than 0 s, got inf"]),
    (["engine.noise_cv=1"], ["engine.noise_cv must be at least 0 and below 1, got 1.0"]),
    (["engine.effects.hardware=0"], ["engine.effects.hardware must be more than 0, got 0.0"]),
    (["claim.ratio=-1"], ["claim.ratio must be more than 0, got -1.0"]),
    (["model.precisions=[fp3]"], ["model.precisions", "one of bf16, fp8", "got ['fp3']"]),
    (["name=../x"], ["name must be lower-case letters, digits, _ and -, got '../x'"]),
    (["title="], ["title must be a text, not empty, got ''"]),
]
_RELATIONS: list[tuple[str | None, list[str], list[str]]] = [
    ("smoke", ["lever.mtp.mode=forced"], ["lever mtp is not part of this experiment", "lever=[hardware,precision,disaggregation,mtp]"]),
    ("smok", [], ["there is no experiment 'smok'", "did you mean 'smoke'?", _R1]),
    (None, ["experiment=smok"], ["there is no experiment 'smok'", "override experiment=smok"]),
    ("smoke", [f"experiment={_R1}"], [f"two experiments are named: smoke and {_R1}"]),
    (
        _R1,
        ["lever.precision.mode=forced"],
        [
            "lever.precision.target leaves nothing that runs on 8 x H200 SXM: nvfp4 needs blackwell, h200_sxm is hopper",
            f"from  conf/experiment/{_R1}.yaml",
            "lever.precision.mode=unlocked, or one of: fp8_block",
        ],
    ),
    (
        _LLAMA,
        ["lever=[precision]", "lever.precision.target=[nvfp4]"],
        [
            "lever.precision.target: nvfp4 cannot run on any system of this experiment (8 x H200 SXM)",
            "one of: bf16, fp8",
        ],
    ),
    (_LLAMA, ["lever.hardware.target=[h100_sxm_x8]"], ["nvfp4 cannot run on any system", "8 x H200 SXM, 8 x H100 SXM"]),
    (
        _LLAMA,
        ["lever=[precision]", "lever.precision.baseline=[nvfp4]", "lever.precision.target=[bf16]"],
        [
            "lever.precision.baseline: nvfp4 cannot run",
            "h200_sxm is hopper",
        ],
    ),
    (_LLAMA, ["lever=[hardware]", "model.precisions=[nvfp4]"], ["model.precisions starts with nvfp4, which cannot run on 8 x H200 SXM"]),
    (_LLAMA, ["lever.parallelism.target=[wide_ep]"], ["expert parallelism (wide_ep) needs experts, Llama-3.1-70B is dense", "tp_only"]),
    (_LLAMA, ["lever.parallelism.target=[tp2_ep2]"], ["expert parallelism (tp2_ep2) needs experts"]),
    (_R1, ["lever.parallelism.target=[ep128]"], ["ep128 needs 128 GPUs, GB200 NVL72 has 72"]),
    (_R1, ["lever.parallelism.target=[rack]"], ["lever.parallelism.target must hold search spaces, got 'rack'", "tp_only"]),
    (_R1, ["hardware.max_gpus=65"], ["hardware.max_gpus is 65, more GPUs than h200_sxm_x8 has (system_gpus is 64)"]),
    (_R1, ["systems.gb200_nvl72.max_gpus=73"], ["systems.gb200_nvl72.max_gpus is 73, more GPUs than gb200_nvl72 has"]),
    (_R1, ["hardware.max_gpus=1"], ["hardware.max_gpus is 1, disaggregation needs at least 2 GPUs"]),
    (_R1, ["hardware.cost_table="], ["hardware.cost_table must name version and source of power and price"]),
    (_R1, ["systems.h100_sxm_x8.max_gpus=8"], ["is not a key of a system that this experiment goes to", "systems.gb200_nvl72.KEY"]),
    (_R1, ["hardware.name=mine"], ["hardware.name must be the name of its option, 'h200_sxm_x8', got 'mine'"]),
    (_R1, ["lever.hardware.target=[gb200]"], ["lever.hardware.target names unknown hardware 'gb200'", "did you mean 'gb200_nvl72'?"]),
    (_R1, ["lever.hardware.baseline=[b200_sxm_x8]"], ["must hold the experiment's hardware h200_sxm_x8, got b200_sxm_x8"]),
    (
        _LLAMA,
        ["lever=[hardware,mtp]"],
        [
            "draft length 1, 2, 3 needs an MTP head, Llama-3.1-70B has none",
            "from  conf/lever/mtp.yaml",
            "lever=[hardware]",
        ],
    ),
    (_R1, ["lever.mtp.target=[1,4]"], ["must state the mean accepted drafts of draft length 4", "lever.mtp.accepted_drafts.4=MEAN"]),
    (_R1, ["lever.mtp.accepted_drafts.2=2.5"], ["lever.mtp.accepted_drafts.2 must be between 0 and the draft length 2, got 2.5"]),
    (_R1, ["lever.mtp.accepted_drafts.1=-0.1"], ["must be between 0 and the draft length 1, got -0.1"]),
    (_R1, ["lever.mtp.accepted_drafts.x=1"], ["keys below lever.mtp.accepted_drafts are whole numbers, got 'x'"]),
    (_R1, ["lever.mtp.target=[two]"], ["lever.mtp.target must hold draft lengths, whole numbers from 0, got 'two'"]),
    (_R1, ["lever.precision.target=[fp8]"], ["lever.precision.target: DeepSeek-R1 has no fp8 checkpoint", "one of: fp8_block, nvfp4"]),
    (_R1, ["lever.precision.target=[fp8_block]"], ["lever.precision.target equals the baseline", "the lever changes nothing"]),
    (_R1, ["lever.disaggregation.target=[split]"], ["must hold serving modes, got 'split'", "aggregated, disaggregated"]),
    (_R1, ["kv_precision=int4"], ["kv_precision must be one that DeepSeek-R1 is served with, got 'int4'", "bf16, fp8"]),
    (_R1, ["companion_levers=[hardware,version]"], ["companion_levers must be among the levers", "got version", "companion_levers=[hardware]"]),
    (_R1, ["companion_levers=[]"], ["companion_levers must name a lever", "engine@companion=none"]),
    (_R1, ["companion_levers=[hardware,hardware]"], ["companion_levers names a lever twice: hardware"]),
    (_R1, ["engine=published"], ["the published record does not state mtp", "lever=[hardware,precision,parallelism,disaggregation]"]),
    (_R1, ["engine=none"], ["engine must be one that gives points, got none", "predicted, published, fake"]),
    (_R1, ["lever=[]"], ["lever must name at least one change, got none"]),
    ("smoke", ["engine.effects.colour=2"], ["engine.effects.colour: there is no lever 'colour'", "one of: hardware"]),
    ("smoke", ["engine.fail_cells=[hardware+colour]"], ["engine.fail_cells names variants", "got 'hardware+colour'"]),
]


@pytest.mark.parametrize(("overrides", "words"), _OVERRIDES, ids=[" ".join(texts) for texts, _ in _OVERRIDES])
def test_override_refused(overrides: list[str], words: list[str]) -> None:
    (problem,) = parse_overrides(overrides, conf_dir()).problems
    for word in words:
        assert word in str(problem)


def test_values_out_of_range_are_refused() -> None:
    # Composing takes a while, so cases about different keys go together; each must bring exactly its own problem.
    left = list(_RANGES)
    while left:
        batch = {case[0][0].partition("=")[0]: case for case in reversed(left)}
        problems = {problem.split()[0]: problem for problem in _problems("smoke", [texts[0] for texts, _ in batch.values()])}
        assert problems.keys() == batch.keys()
        for key, (texts, words) in batch.items():
            assert f"override {texts[0]}" in problems[key]
            for word in words:
                assert word in problems[key]
        left = [case for case in left if case not in batch.values()]


@pytest.mark.parametrize(("experiment", "overrides", "words"), _RELATIONS, ids=[" ".join([str(name), *texts]) for name, texts, _ in _RELATIONS])
def test_combination_refused(experiment: str | None, overrides: list[str], words: list[str]) -> None:
    problems = _problems(experiment, overrides)
    assert len(problems) == 1, problems
    for word in words:
        assert word in problems[0]


def test_all_problems_are_reported_at_once() -> None:
    overrides = [
        "foo=1", "+bar=2", "model=llama", "lever=[mtp,mtp]", "workload.isl_tokens=abc", "design.sed=1", "engine@companion=fak",
        "sweep.replicates=0", "place.workers=-1",
    ]  # fmt: skip
    text = "\n".join(_problems("smoke", overrides))
    for override in overrides:
        assert f"override {override}" in text
    assert len(_problems("smoke", overrides)) == len(overrides)


def test_unknown_keys_do_not_hide_impossible_combinations() -> None:
    problems = _problems(_R1, ["foo=1", "lever.precision.mode=forced", "design.confidence=2", "lever.mtp.accepted_drafts.1=3"])
    heads = [problem.split()[0] for problem in problems]
    assert heads == ["there", "design.confidence", "lever.precision.target", "lever.mtp.accepted_drafts.1"]


def test_an_unknown_experiment_does_not_hide_values_out_of_range() -> None:
    problems = _problems("smok", ["workload.isl_tokens=0", "lever.precision.mode=free", "name=A"])
    assert [problem.split()[0] for problem in problems] == ["there", "workload.isl_tokens", "lever.precision.mode", "name"]


def test_a_refused_value_brings_no_problems_that_only_follow_from_it() -> None:
    # With a target of the right type there would be nothing wrong with the lever.
    assert len(_problems("smoke", ["lever.precision.target=fp8"])) == 1
    # nvfp4 runs on the system that was meant.
    assert len(_problems(_R1, ["lever.hardware.target=[gb200]"])) == 1


def test_without_an_experiment_every_group_that_has_to_be_chosen_is_named() -> None:
    problems = _problems(None, [])
    assert [problem.splitlines()[0] for problem in problems] == [f"no {name} is chosen" for name in ("model", "hardware", "workload", "engine")]
    assert "one of: deepseek_r1, gpt_oss_120b, llama_3_3_70b" in problems[0]


def test_values_without_a_default_are_named_with_the_file_that_leaves_them_open() -> None:
    problems = _problems("smoke", ["lever=[hardware,version]"])
    assert [problem.splitlines()[:2] for problem in problems] == [
        [f"lever.version.{level} has no value", "  from  conf/lever/version.yaml"] for level in ("baseline", "target")
    ]


def test_a_value_left_open_on_the_command_line_is_a_missing_value() -> None:
    problems = _problems("smoke", ["design.seed=???", "workload.isl_tokens=0"])
    assert [problem.split()[0] for problem in problems] == ["design.seed", "workload.isl_tokens"]
    assert "design.seed has no value" in problems[0]


def test_an_engine_that_starts_servers_needs_the_exact_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vocabulary.ENGINES, "fake", True)
    assert "model.revision must be given: engine fake starts a server" in _problems("smoke", [])[0]
    assert compose("smoke", ["model.revision=0123abc"]).model.revision == "0123abc"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return Path(shutil.copytree(conf_dir(), tmp_path / "conf"))


def test_problems_of_files_name_the_file(conf: Path) -> None:
    experiment = conf / "experiment" / "smoke.yaml"
    experiment.write_text(experiment.read_text() + "colour: red\nplace:\n  workers: many\nkv_precision: ${oc.env:HOME}\n")
    workload = conf / "workload" / "isl1k_osl1k.yaml"
    workload.write_text(workload.read_text().replace("osl_tokens: 1024", "osl_token: 1024"))
    problems = _problems("smoke", [], conf)
    assert len(problems) == 4
    assert all("from  conf/experiment/smoke.yaml" in problem or "from  conf/workload/isl1k_osl1k.yaml" in problem for problem in problems)
    text = "\n".join(problems)
    assert "there is no key colour" in text
    assert "place.workers must be a whole number, got 'many'" in text
    assert "there is no key workload.osl_token" in text
    assert "kv_precision must be a value or a reference to a key, got '${oc.env:HOME}'" in text


def test_ranges_in_files_name_the_file(conf: Path) -> None:
    workload = conf / "workload" / "isl1k_osl1k.yaml"
    workload.write_text(workload.read_text().replace("isl_tokens: 1024", "isl_tokens: 0"))
    (problem,) = _problems("smoke", [], conf)
    assert "workload.isl_tokens must be at least 1 token, got 0" in problem
    assert "from  conf/workload/isl1k_osl1k.yaml" in problem


def test_a_lever_misspelt_in_an_experiment_file_is_refused(conf: Path) -> None:
    experiment = conf / "experiment" / "smoke.yaml"
    experiment.write_text(experiment.read_text().replace("  precision:\n    baseline", "  precison:\n    baseline"))
    problems = _problems("smoke", [], conf)
    assert "there is no lever 'precison'" in problems[0]


def test_options_misspelt_in_an_experiment_file_are_refused(conf: Path) -> None:
    experiment = conf / "experiment" / "smoke.yaml"
    experiment.write_text(experiment.read_text().replace("override /engine: fake", "override /engine: fak"))
    (problem,) = _problems("smoke", [], conf)
    assert "engine has no option 'fak'" in problem
    assert "from  conf/experiment/smoke.yaml" in problem


def test_files_that_are_not_yaml_are_refused(conf: Path) -> None:
    (conf / "experiment" / "smoke.yaml").write_text("a: [1\n")
    assert "cannot read the configuration file" in _problems("smoke", [], conf)[0]
    (conf / "experiment" / "smoke.yaml").write_text("just words\n")
    assert "a configuration file is a mapping, this one holds str" in _problems("smoke", [], conf)[0]
