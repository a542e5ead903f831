"""Results of MLPerf Inference: the checker's ``summary.csv``, or the ``summary_results.json`` made from it.

Of a large language model in the Server and Interactive scenarios a result says: this many output tokens per second were reached while the 99th
percentiles of TTFT and TPOT stayed below the benchmark's limits. So the row's interactivity is a bound, 1 / TPOT limit, and is flagged
``interactivity_is_slo_bound``; no time was published. Other scenarios and benchmarks have no rate per user and are refused.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from frontier.errors import PointsError
from frontier.evidence.importers.base import Batch, unlike
from frontier.evidence.importers.documents import GPUS_RULE, RefusedRow, batch_of, number
from frontier.evidence.importers.mlperf_rules import BENCHMARKS, SCENARIOS, Benchmark
from frontier.evidence.importers.names import engine_of, hardware_name, precision_name
from frontier.evidence.importers.source import Source

# The JSON renames the CSV's columns (tools/submission/generate_final_report.py); both are read under the CSV's names.
_RENAMED = {
    "Submitter": "Organization",
    "Category": "Division",
    "Suite": "SystemType",
    "System": "SystemName",
    "Nodes": "number_of_nodes",
    "Accelerator": "accelerator_model_name",
    "a#": "accelerators_per_node",
    "Software": "framework",
    "Performance_Result": "Result",
    "Performance_Units": "Units",
}
_NEEDED = ("Division", "Platform", "Scenario", "Result", "Units", "version", "accelerators_per_node")
BOUND = "interactivity_is_slo_bound"
NOTE = "interactivity of MLPerf rows is the benchmark's limit on p99 TPOT, a bound and not a measured rate; total throughput is not published"


def recognises(source: Source) -> bool:
    """Whether the file has the columns of the checker's summary."""
    head = source.head
    return ("MlperfModel" in head and "Organization" in head) or ('"Performance_Result"' in head and '"Scenario"' in head)


def parse(source: Source, given: Mapping[str, Any]) -> Iterator[Batch]:
    """One row per result of a large language model under latency limits."""
    if source.head.lstrip().startswith("["):
        items, mark = list(_json_items(source)), "#"
    else:
        items, mark = list(_csv_items(source)), ":"
    first = next((item for _, item in items if isinstance(item, Mapping)), None)
    missing = [name for name in _NEEDED if first is None or name not in first]
    if missing:
        raise unlike(source, "mlperf", f"columns {', '.join(missing)} are missing")
    yield batch_of(source, items, lambda item: _row(item, given), mark=mark, notes=(NOTE,))


def _csv_items(source: Source) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(io.StringIO(source.text()))
    try:
        for row in reader:
            short = None in row or None in row.values()
            cells = len(reader.fieldnames or ())
            yield reader.line_num, PointsError(f"the row has not the header's {cells} cells") if short else _under_csv_names(row)
    except csv.Error as cause:
        raise unlike(source, "mlperf", f"it is no CSV: {cause}") from cause


def _json_items(source: Source) -> Iterator[tuple[int, Any]]:
    for index, item in enumerate(source.json_rows()):
        yield index, _under_csv_names(item) if isinstance(item, Mapping) else PointsError(f"no object: {json.dumps(item)[:40]}")


def _under_csv_names(item: Mapping[str, Any]) -> dict[str, Any]:
    named = {_RENAMED.get(key, key): value for key, value in item.items()}
    if "UsedModel" in item:  # the JSON's Model is the CSV's MlperfModel, and its UsedModel the CSV's Model
        named["MlperfModel"], named["Model"] = item.get("Model"), item["UsedModel"]
    return named


def _row(item: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    name, scenario, units = str(item.get("MlperfModel") or ""), str(item["Scenario"]), str(item["Units"])
    if any(word in units for word in ("Watts", "joules")):
        raise RefusedRow("Units", units, "the row is a power reading; its throughput stands in another row")
    if scenario not in SCENARIOS:
        raise RefusedRow("Scenario", scenario, f"no rate per user is recorded; scenarios with a limit on TPOT: {', '.join(SCENARIOS)}")
    benchmark, name, scenario = _benchmark(name, scenario)
    division = str(item["Division"])
    if division not in ("closed", "network"):
        raise RefusedRow("Division", division, "only the closed and network divisions are held to the latency limits")
    if str(item.get("inferred") or "0") not in ("0", "0.0", "False", "false"):
        raise RefusedRow("inferred", item["inferred"], "the result is inferred from another scenario and was not measured")
    limit = benchmark.tpot_limit_s.get(scenario)
    if limit is None:
        raise RefusedRow("Scenario", scenario, f"{name} has no limit on TPOT in this scenario; it has in {', '.join(benchmark.tpot_limit_s)}")
    release = _release(item["version"])
    if release < benchmark.tokens_since:
        since = ".".join(map(str, benchmark.tokens_since))
        raise RefusedRow("version", item["version"], f"{name} results are tokens per second since v{since} only")
    rate = number(item, "Result")
    if not rate > 0:
        raise RefusedRow("Result", item["Result"], "Result must be a number above 0")
    gpus = _gpus(item)
    engine, engine_version = engine_of(item.get("framework"))
    failed_checks = number(item, "errors") > 0
    flags = [BOUND]
    if units != "Tokens/s":
        # v4 wrote Queries/s for every Server result, and v6.0 still does for benchmarks without a unit of their own; the value is tokens/s.
        flags.append("unit_label_wrong")
    if failed_checks:
        flags.append("submission_checker_errors")
    return {
        "run_id": f"{item['version']}/{division}/{item['Organization']}/{item['Platform']}",
        "variant": f"{name} {scenario}",
        "model": benchmark.model,
        "hardware": hardware_name(item.get("accelerator_model_name")),
        "engine": engine,
        "engine_version": engine_version,
        "precision": precision_name(item.get("weight_data_types")),
        "gpus": gpus,
        "output_tput_tok_s_gpu": rate / gpus,
        "interactivity_tok_s_user": 1.0 / limit,
        "flags": ";".join(flags),
        "valid": False if failed_checks else None,
    }


def _benchmark(name: str, scenario: str) -> tuple[Benchmark, str, str]:
    """The benchmark, its name and its scenario: v5.0 still had ``llama2-70b-interactive-99`` in the Server scenario."""
    if "-interactive" in name:
        name, scenario = name.replace("-interactive", ""), "Interactive"
    found = BENCHMARKS.get(re.sub(r"-99(?:\.9)?$", "", name))
    if found is None:
        raise RefusedRow("MlperfModel", name, f"benchmarks with a limit on TPOT: {', '.join(sorted(BENCHMARKS))}")
    return found, name, scenario


def _release(version: Any) -> tuple[int, int]:
    found = re.match(r"^v?(\d+)\.(\d+)", str(version))
    if not found:
        raise RefusedRow("version", version, "version must be a release such as v5.1")
    return int(found[1]), int(found[2])


def _gpus(item: Mapping[str, Any]) -> int:
    """Nodes times accelerators per node."""
    nodes, each = number(item, "number_of_nodes"), number(item, "accelerators_per_node")
    if not (nodes >= 1 and each >= 1) or nodes != math.floor(nodes) or each != math.floor(each):
        raise RefusedRow("accelerators_per_node", item["accelerators_per_node"], f"nodes x accelerators is no count ({GPUS_RULE.split(',')[0]})")
    return int(nodes * each)
