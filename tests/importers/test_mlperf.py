"""MLPerf Inference: results under a limit on TPOT become points whose interactivity is that bound; all others are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tool_files import SNIPPETS

from frontier.errors import PointsError
from frontier.evidence.importers import import_points
from frontier.evidence.importers.mlperf_rules import BENCHMARKS
from frontier.evidence.importers.names import engine_of, hardware_name

CSV = SNIPPETS / "mlperf_summary.csv"
JSON = SNIPPETS / "mlperf_results.json"


def test_server_rows_of_the_csv() -> None:
    points = import_points("mlperf", [CSV]).points
    assert list(points["source"]) == ["mlperf_summary.csv:2", "mlperf_summary.csv:5"]
    server, interactive = points.iloc[0], points.iloc[1]
    # 29715.3 tokens/s on one node of 8, with p99 TPOT up to 200 ms.
    assert server["output_tput_tok_s_gpu"] == pytest.approx(29715.3 / 8)
    assert server["interactivity_tok_s_user"] == pytest.approx(5)
    assert server["flags"] == "interactivity_is_slo_bound;unit_label_wrong"  # v4.1 wrote Queries/s over tokens/s
    assert interactive["interactivity_tok_s_user"] == pytest.approx(25)  # 40 ms
    assert interactive["flags"] == "interactivity_is_slo_bound"
    assert (server["hardware"], server["engine"], server["engine_version"]) == ("h200_sxm", "tensorrt", "10.2.0")
    assert (interactive["engine"], interactive["variant"]) == ("trtllm", "llama2-70b-99.9 Interactive")


def test_nothing_is_published_that_was_not_measured() -> None:
    points = import_points("mlperf", [CSV, JSON]).points
    for column in ("total_tput_tok_s_gpu", "median_tpot_s", "p99_tpot_s", "median_ttft_s", "power_w_gpu", "little_ratio", "concurrency"):
        assert points[column].isna().all(), column
    assert set(points["evidence"]) == {"published"}


def test_refused_rows_say_why() -> None:
    refused = import_points("mlperf", [CSV]).refused.set_index("line")
    assert {line: str(refused["column"][line]) for line in refused.index} == {
        3: "Scenario",  # Offline
        4: "MlperfModel",  # resnet
        6: "Units",  # Watts
        7: "version",  # Mixtral before its results were tokens
        8: "accelerators_per_node",
        9: "Division",  # open
        10: "inferred",
        11: "Scenario",  # Mixtral has no Interactive limit
    }
    assert "no rate per user" in refused["rule"][3]


def test_json_of_all_results() -> None:
    points = import_points("mlperf", [JSON]).points
    rack, box = points.iloc[0], points.iloc[1]
    assert list(points["source"]) == ["mlperf_results.json#0", "mlperf_results.json#1"]
    assert (rack["gpus"], rack["hardware"], rack["precision"], rack["engine"], rack["engine_version"]) == (72, "gb200", "fp4", "trtllm", "1.0.0")
    assert rack["output_tput_tok_s_gpu"] == pytest.approx(144000 / 72)
    assert rack["interactivity_tok_s_user"] == pytest.approx(1 / 0.080)
    assert (box["hardware"], box["engine"], box["interactivity_tok_s_user"]) == ("mi300x", "vllm", pytest.approx(1 / 0.030))
    # The checker found errors: the row stands, and carries no frontier.
    assert box["valid"] == False  # noqa: E712 - a three-valued column
    assert "submission_checker_errors" in box["flags"]
    assert pd.isna(rack["valid"])


def test_gpus_of_the_file_are_not_contradicted() -> None:
    found = import_points("mlperf", [JSON], given={"gpus": "8"})
    assert list(found.points["source"]) == ["mlperf_results.json#1"]
    assert "contradicts" in found.refused["rule"][0]


def test_the_note_says_what_the_interactivity_is() -> None:
    assert "bound and not a measured rate" in import_points("mlperf", [JSON]).notes[0]


def test_limits_are_those_of_the_rules() -> None:
    # Server (TTFT, TPOT) in ms as in the submission checker's table of limits.
    server = {name: (round(b.ttft_limit_s["Server"] * 1000), round(b.tpot_limit_s["Server"] * 1000)) for name, b in BENCHMARKS.items()}
    assert server == {
        "llama2-70b": (2000, 200),
        "mixtral-8x7b": (2000, 200),
        "llama3.1-405b": (6000, 175),
        "llama3.1-8b": (2000, 100),
        "deepseek-r1": (2000, 80),
        "gpt-oss-120b": (3000, 80),
    }


def test_cells_missing(tmp_path: Path) -> None:
    head, first, *_ = CSV.read_text().splitlines()
    path = tmp_path / "summary.csv"
    path.write_text(f"{head}\n{first}\n{first[:80]}\n")
    found = import_points("mlperf", [path])
    assert len(found.points) == 1
    assert list(found.refused["line"]) == [3]


def test_truncated_json(tmp_path: Path) -> None:
    path = tmp_path / "summary_results.json"
    path.write_text(JSON.read_text()[:-40])
    with pytest.raises(PointsError, match="cut off or broken after 1 items"):
        import_points("mlperf", [path])


def test_another_tools_file() -> None:
    with pytest.raises(PointsError, match="not a file of format mlperf") as caught:
        import_points("mlperf", [SNIPPETS / "sglang.jsonl"])
    assert "it looks like sglang-bench" in str(caught.value)


def test_power_rows_of_the_json(tmp_path: Path) -> None:
    item = {**json.loads(JSON.read_text())[0], "Power_Result": 100000.0, "Power_Units": "Watts"}
    path = tmp_path / "r.json"
    path.write_text(json.dumps([item]))
    # Watts at the wall of the whole system are not a GPU's power.
    assert import_points("mlperf", [path]).points["power_w_gpu"].isna().all()


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "h100_sxm"),
        ("NVIDIA H100-SXM-80GB", "h100_sxm"),
        ("NVIDIA H100 PCIe", "h100_pcie"),
        ("NVIDIA H100-PCIe-80GB", "h100_pcie"),
        ("NVIDIA H100 NVL", "h100_nvl"),
        ("NVIDIA H200-NVL-141GB", "h200_nvl"),
        ("NVIDIA GB300", "gb300"),
        ("NVIDIA B300-SXM-270GB", "b300_sxm"),
        ("AMD Instinct MI355X 288GB HBM3e", "mi355x"),
        ("NVIDIA L40S", "l40s"),
        ("TPU v6e", "tpu_v6e"),
        ("", None),
    ],
)
def test_hardware_names(written: str, name: str | None) -> None:
    assert hardware_name(written) == name


@pytest.mark.parametrize(
    ("software", "engine"),
    [
        ("TensorRT-LLM 1.0.0, CUDA 12.9", ("trtllm", "1.0.0")),
        ("TensorRT 10.2.0, CUDA 12.4", ("tensorrt", "10.2.0")),
        ("vLLM 0.9.0.2.dev108+g71faa1880, Pytorch 2.7", ("vllm", "0.9.0.2.dev108+g71faa1880")),
        ("OpenVINO 2025.1", (None, None)),
    ],
)
def test_engines(software: str, engine: tuple[str | None, str | None]) -> None:
    assert engine_of(software) == engine
