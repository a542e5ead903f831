"""Makes the export beside this file: aiperf 0.13.0 against the stand-in server, every ninth request refused.

    python tests/golden/aiperf/make_export.py AIPERF_PYTHON MODEL_FOLDER

Lines keep what the reader reads; the client's other metrics are left out to keep the files small.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from frontier.load.aiperf import Aiperf
from frontier.load.plan import Load

HERE = Path(__file__).parent
STANDIN = HERE.parents[1] / "standin" / "standin_server.py"
METRICS = (
    "time_to_first_token", "request_latency", "inter_chunk_latency", "usage_prompt_tokens", "usage_completion_tokens", "inter_token_latency",
)  # fmt: skip
SUMMARY = (
    "schema_version", "aiperf_version", "time_to_first_token", "inter_token_latency", "request_latency", "inter_chunk_latency",
    "output_token_throughput", "total_token_throughput", "request_throughput", "request_count", "error_request_count", "benchmark_duration",
)  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = ["--port", "0", "--port-file", str(folder / "port"), "--ttft-ms", "20", "--tpot-ms", "5", "--fail-every", "9"]
        server = subprocess.Popen([sys.executable, str(STANDIN), *options])
        try:
            while not (folder / "port").is_file():
                time.sleep(0.05)
            url = f"http://127.0.0.1:{(folder / 'port').read_text().strip()}"
            load = Load((url,), "m", Path(sys.argv[2]), 16, 8, (1, 2), warmup_requests=3, settle_s=0.2, window_s=0.8, prompts=60)
            Aiperf(Path(sys.argv[1])).run(load, folder / "run")
            export = folder / "run" / "client"
            with gzip.open(export / "profile_export.jsonl.gz", "rt") as lines, (HERE / "profile_export.jsonl").open("w") as out:
                for line in map(json.loads, lines):
                    line["metrics"] = {key: value for key, value in line.get("metrics", {}).items() if key in METRICS}
                    out.write(json.dumps(line) + "\n")
            for cell in ("cell0_c1", "cell1_c2"):
                stated = json.loads((export / "phases" / cell / "profile_export_aiperf.json").read_text())
                target = HERE / "phases" / cell / "profile_export_aiperf.json"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(json.dumps({key: value for key, value in stated.items() if key in SUMMARY}, indent=1) + "\n")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
