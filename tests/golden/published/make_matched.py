"""Cut ``inferencex_matched.csv``: rows of the labelled InferenceX record that the wheel's silicon_sample.csv holds without labels.

    python tests/golden/published/make_matched.py inferencex_dsr1_until_2026-02-28.csv

Needs aiconfigurator-core 0.12.0 and the record of DeepSeek-R1 results as InferenceX's public API served it (one row per date and
configuration, with throughput, GPU counts and spec_method). Rows are matched by mean TTFT and mean TPOT alone, to 0.01 and 0.001 ms; kept are all
aggregated matches and the disaggregated ones of the database dump. InferenceX data: Copyright 2026 SemiAnalysis LLC, Apache-2.0.
"""

import sys
from importlib.resources import files
from pathlib import Path

import pandas as pd

KEEP = [
    "record_id", "date", "hardware", "framework", "precision", "spec_method", "disagg", "isl", "osl", "conc", "decode_tp", "decode_ep",
    "num_prefill_gpu", "num_decode_gpu", "tput_per_gpu", "mean_ttft", "mean_tpot",
]  # fmt: skip


def main(record_path: str) -> None:
    with (files("aiconfigurator_core") / "systems" / "silicon_sample.csv").open() as stream:
        wheel = pd.read_csv(stream)
    record = pd.read_csv(record_path, low_memory=False)
    wheel["key"] = list(zip(wheel["silicon_ttft_ms"].round(2), wheel["silicon_tpot_ms"].round(3), strict=True))
    record["key"] = list(zip((record["mean_ttft"] * 1000).round(2), (record["mean_tpot"] * 1000).round(3), strict=True))
    both = wheel.rename(columns={"id": "record_id"})[["record_id", "mode", "silicon_data_source", "key"]].merge(record, on="key")
    kept = both[(both["mode"] == "agg") | both["silicon_data_source"].str.startswith("db-dump")]
    kept[KEEP].sort_values("record_id").to_csv(Path(__file__).with_name("inferencex_matched.csv"), index=False, float_format="%.9g")


if __name__ == "__main__":
    main(sys.argv[1])
