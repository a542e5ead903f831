"""Load on a deployment, and metrics from the raw times of its requests."""

from frontier.load.aiperf import Aiperf, LoadResult, RunningLoad, cpu_share
from frontier.load.bench_requests import bench_requests, decoded_per_step, streamed
from frontier.load.cross_check import TOLERANCE, Difference, cross_check, largest_difference
from frontier.load.iterations import Steps, read_steps
from frontier.load.metrics import Window, tokens_per_chunk, window_metrics
from frontier.load.overhead import client_note, client_overhead, scrape
from frontier.load.plan import Load
from frontier.load.prompts import SALT_BITS, load_tokenizer, make_prompts, read_texts
from frontier.load.recount import TOLERANCE as RECOUNT_TOLERANCE
from frontier.load.recount import recount
from frontier.load.requests import read_requests, requests_table, write_requests
from frontier.load.steady import Steady, find_steady

__all__ = [
    "RECOUNT_TOLERANCE", "SALT_BITS", "TOLERANCE", "Aiperf", "Difference", "Load", "LoadResult", "RunningLoad", "Steady", "Steps", "Window",
    "bench_requests", "client_note", "client_overhead", "cpu_share", "cross_check", "decoded_per_step", "find_steady", "largest_difference",
    "load_tokenizer", "make_prompts", "read_requests", "read_steps", "read_texts", "recount", "requests_table", "scrape",
    "streamed", "tokens_per_chunk", "window_metrics", "write_requests",
]  # fmt: skip
