"""conf/checkpoint: every option loads, and what is wrong is named with its rule."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from frontier.checkpoints import load_spec, spec_names
from frontier.checkpoints.spec import AROUND, code_sha256
from frontier.checkpoints.text import read_corpus
from frontier.errors import ConfigError, ConfigErrors, MachineError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    (tmp_path / "checkpoint").mkdir()
    return tmp_path


def written(conf: Path, change: dict[str, object], inside: tuple[str, ...] = (), base: str = "pocket_tiny") -> Path:
    data = yaml.safe_load((ROOT / "conf" / "checkpoint" / f"{base}.yaml").read_text(encoding="utf-8"))
    part = data
    for key in inside:
        part = part[key]
    for key, value in change.items():
        part[key] = value
    (conf / "checkpoint" / "one.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return conf


@pytest.mark.parametrize("name", spec_names())
def test_every_option_loads(name: str) -> None:
    spec = load_spec(name)
    assert spec.name == name
    assert spec.about
    assert (spec.kind == "random") == name.startswith("random_")


def test_pocket_has_tens_of_millions_of_parameters_of_work() -> None:
    training = load_spec("pocket").training
    assert training is not None
    shape = training.shape
    block = shape.width * shape.head_dim * (2 * shape.heads + 2 * shape.kv_heads) + 3 * shape.width * shape.mlp_width
    assert 20e6 < 2 * shape.vocabulary * shape.width + (shape.layers + 1) * block < 60e6


@pytest.mark.parametrize(
    ("change", "inside", "message"),
    [
        ({"seeds": 1}, (), r"unknown key seeds[\s\S]*one of: name, kind"),
        ({"width": 6.5}, ("training", "shape"), r"training.shape.width must be a whole number, got 6.5"),
        ({"width": True}, ("training", "shape"), r"training.shape.width must be a whole number, got True"),
        ({"kv_heads": 6}, ("training", "shape"), r"heads must be a multiple of kv_heads, got 2 and 6"),
        ({"head_dim": 7}, ("training", "shape"), r"training.shape.head_dim must be even, got 7"),
        ({"width": 63}, ("training", "shape"), r"training.shape.width must be even, because training starts at half of it, got 63"),
        ({"head_dim": 16}, ("training", "shape"), r"training.shape.width must be heads \* head_dim, .* got 64 for 2 heads of 16"),
        ({"vocabulary": 100}, ("training", "shape"), r"training.shape.vocabulary must be at least 259, got 100"),
        ({"steps": 0}, ("training", "trunk"), r"training.trunk.steps must be at least 1, got 0"),
        ({"learning_rate": 0.0}, ("training", "drafter"), r"training.drafter.learning_rate must be positive, got 0"),
        ({"tokens_per_row": 4}, ("training", "small"), r"training.small.tokens_per_row must be at least draft_tokens \+ 2 = 5, got 4"),
        ({"tokens_per_row": 2048}, ("training", "small"), r"must not exceed max_positions = 1024, got 2048"),
        ({"last_share": 1.5}, ("training", "small"), r"last_share must lie between 0 and 1, got 1.5"),
        ({"compute": "fp8"}, ("training",), r"training.compute must be one of bf16, float32, got 'fp8'"),
        ({"heldout_one_in": 1}, ("training",), r"training.heldout_one_in must be at least 2, got 1"),
        ({"trunk": 3}, ("training",), r"training.trunk must be a mapping, got 3"),
        ({"kind": "borrowed"}, (), r"kind must be one of trained, random, got 'borrowed'"),
        ({"weights": "none"}, (), r"weights of kind trained must be one of trained, got 'none'"),
        ({"seed": -1}, (), r"seed must be at least 0, got -1"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, object], inside: tuple[str, ...], message: str, conf: Path) -> None:
    with pytest.raises(ConfigErrors, match=message):
        load_spec("one", written(conf, change, inside))


def test_all_problems_at_once(conf: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load_spec("one", written(conf, {"steps": 0, "rows": 0}, ("training", "trunk")))
    assert len(caught.value.problems) == 2


def test_a_missing_key(conf: Path) -> None:
    (conf / "checkpoint" / "one.yaml").write_text("kind: trained\ntraining: {}\n", encoding="utf-8")
    with pytest.raises(ConfigErrors, match=r"training.shape is missing"):
        load_spec("one", conf)


@pytest.mark.parametrize("missing", ["config", "source"])
def test_a_published_shape_needs_its_configuration_and_source(missing: str, conf: Path) -> None:
    with pytest.raises(ConfigErrors, match=f"{missing} is missing"):
        load_spec("one", written(conf, {missing: {} if missing == "config" else ""}, base="random_llama_1b"))


@pytest.mark.parametrize(("text", "message"), [("- a\n", "is a mapping, this one holds list"), ("a: [", "cannot read the configuration file")])
def test_a_file_that_is_no_mapping(text: str, message: str, conf: Path) -> None:
    (conf / "checkpoint" / "one.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_spec("one", conf)


def test_an_unknown_name_lists_all() -> None:
    with pytest.raises(ConfigError, match="no checkpoint 'poket'") as caught:
        load_spec("poket")
    assert "did you mean 'pocket'?" in str(caught.value.hint)
    assert all(name in str(caught.value.hint) for name in spec_names())


def test_the_digest_follows_the_specification(conf: Path) -> None:
    plain = load_spec("one", written(conf, {})).digest
    assert load_spec("one", written(conf, {"about": "other"})).digest == plain  # words change nothing
    assert load_spec("one", written(conf, {"steps": 41}, ("training", "small"))).digest != plain


def test_the_code_that_trains_is_part_of_the_digest() -> None:
    folder = ROOT / "lib" / "frontier" / "checkpoints"
    modules = {file.stem for file in folder.glob("*.py")}
    assert modules >= set(AROUND)
    assert {"network", "training", "drafting", "growth", "text", "tokenizer", "trained", "export", "published"} <= modules - set(AROUND)
    assert len(code_sha256()) == 64


def test_the_text_is_split_by_file_in_an_order_of_its_own(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"m{number}.py").write_text(f"x = {number}\n", encoding="utf-8")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "test_x.py").write_text("never\n", encoding="utf-8")
    (tmp_path / "table.py").write_text("0," * 150_000, encoding="utf-8")
    corpus = read_corpus(4, tmp_path)
    paths = [path for path, _ in (*corpus.training, *corpus.heldout)]
    assert sorted(paths) == sorted(f"m{number}.py" for number in range(40))
    assert 0 < len(corpus.heldout) < 20
    assert paths[: len(corpus.training)] != sorted(paths[: len(corpus.training)])
    assert read_corpus(4, tmp_path).sha256 == corpus.sha256
    (tmp_path / "m3.py").write_text("x = 4\n", encoding="utf-8")
    assert read_corpus(4, tmp_path).sha256 != corpus.sha256


def test_a_python_without_sources(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="0 Python sources to train on"):
        read_corpus(4, tmp_path)
