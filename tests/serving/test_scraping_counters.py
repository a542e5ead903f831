"""Counters of a metrics page, by hand."""

from __future__ import annotations

import math

from frontier.serving import acceptance_length, counters, difference
from frontier.serving.failures import cause
from frontier.serving.scraping import added

PAGE = """# HELP vllm:prompt_tokens_total Number of prefill tokens processed.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="m"} 6366.0
vllm:prompt_tokens_created{engine="0",model_name="m"} 1.7952713216022422e+09
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 1.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="m"} 48.0
vllm:spec_decode_num_drafts_total{engine="0"} 10.0
vllm:spec_decode_num_accepted_tokens_total{engine="0"} 15.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",position="0"} 9.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",position="1"} 6.0
frontier_router:bytes_total 30427008.0
"""


def test_a_page() -> None:
    found = counters(PAGE)
    assert found == {
        "prompt_tokens": 6366, "requests_finished": 49, "drafts": 10, "accepted_tokens": 15,
        "accepted_tokens_at_1": 9, "accepted_tokens_at_2": 6, "router_bytes": 30427008,
    }  # fmt: skip
    assert acceptance_length(found) == 2.5  # 1 + 15 / 10
    assert math.isnan(acceptance_length({}))
    assert added([found, {"drafts": 2.0, "preemptions": 1.0}])["drafts"] == 12


def test_differences() -> None:
    assert difference({"drafts": 4.0}, {"drafts": 10.0, "prompt_tokens": 3.0}) == {"drafts": 6.0, "prompt_tokens": 3.0}
    assert math.isnan(difference({"drafts": 4.0}, {"drafts": 1.0})["drafts"])


def test_the_first_real_error_is_the_cause() -> None:
    # Shape of a real log: the reason stands in a worker's traceback, the end only says that something failed.
    log = (
        "(APIServer pid=1) WARNING 11-21 14:23:04 [system_utils.py:255] This can cause fd limit errors like `OSError: Too many open files`.\n"
        "(Worker pid=2) ERROR 11-21 14:23:46 [multiproc_executor.py:1063] ValueError: No common block size for 16 (CPU_ATTN: [MultipleOf(32)]).\n"
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}\n"
    )
    assert cause(log) == ("other", "it ended", "ValueError: No common block size for 16 (CPU_ATTN: [MultipleOf(32)]).")
    assert cause("(A pid=1) WARNING 11-21 x.py OSError: y")[2] == ""
    assert cause("") == ("other", "it ended", "")
    assert cause("WARNING: could run out of memory\nKeyError: 'x'")[0] == "other"
