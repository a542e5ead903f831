# mypy: ignore-errors
"""A KV connector for vLLM: the prefill server writes a request's KV cache into a folder, the decode server reads it from there.

Runs inside vLLM's processes, never in the kit's; named to vLLM by ``kv_connector_module_path``. It is vLLM's file-based ``ExampleConnector``
with four differences, each of which that connector's own comments or code ask for:

* the key is an identifier that the router puts into ``kv_transfer_params``, not a hash of the prompt, so equal prompts in flight do not meet,
  no prompt profits from another one's cache, and the router knows which folder to delete;
* each tensor-parallel rank has files of its own (the original's ranks overwrite each other's);
* producer and consumer agree on the number of tokens for every prompt length (the original finds nothing when the length is one more than
  a multiple of the block size);
* a prompt that is prefilled in pieces is not stored (the original stores the whole prompt's slots after the first piece).

The last, incomplete block of a prompt is never handed over; the decode server computes it again. Tried with vLLM 0.32 on the CPU.
"""

from __future__ import annotations

import os

from vllm.distributed.kv_transfer.kv_connector.v1.base import KVConnectorRole
from vllm.distributed.kv_transfer.kv_connector.v1.example_connector import (
    ExampleConnector,
    ExampleConnectorMetadata,
    align_to_block_size,
)


class FolderConnector(ExampleConnector):
    """Hand-over through ``<shared_storage_path>/<id>/rank<r>/<layer>.safetensors``."""

    def __init__(self, vllm_config, role, kv_cache_config):
        super().__init__(vllm_config=vllm_config, role=role, kv_cache_config=kv_cache_config)
        self._produces = self._kv_transfer_config.is_kv_producer
        self._consumes = self._kv_transfer_config.is_kv_consumer
        self._rank = 0
        if role == KVConnectorRole.WORKER:
            from vllm.distributed.parallel_state import get_tensor_model_parallel_rank

            self._rank = get_tensor_model_parallel_rank()
        self._ids = {}

    # On the scheduler's side.

    def get_num_new_matched_tokens(self, request, num_computed_tokens):
        """Tokens that lie in the request's folder beyond those computed here, and that loading is not asynchronous."""
        key = (request.kv_transfer_params or {}).get("handover_id")
        if not (self._consumes and key) or request.num_preemptions > 0 or not os.path.isdir(os.path.join(self._storage_path, key)):
            return 0, False
        return max(0, align_to_block_size(len(request.prompt_token_ids or []), self._block_size) - num_computed_tokens), False

    def update_state_after_alloc(self, request, blocks, num_external_tokens):
        """Remember the key of a request that will be scheduled."""
        key = (request.kv_transfer_params or {}).get("handover_id")
        if key:
            self._ids[request.request_id] = (key, num_external_tokens > 0)

    def build_connector_meta(self, scheduler_output):
        """What the workers store and load in this step."""
        meta = ExampleConnectorMetadata()
        for new in scheduler_output.scheduled_new_reqs:
            key, load = self._ids.pop(new.req_id, (None, False))
            tokens = new.prompt_token_ids or []
            whole = scheduler_output.num_scheduled_tokens[new.req_id] + new.num_computed_tokens >= len(tokens)
            if key and (load or (self._produces and whole and align_to_block_size(len(tokens), self._block_size) > 0)):
                meta.add_request(token_ids=tokens, block_ids=new.block_ids[0], block_size=self._block_size, is_store=not load, mm_hashes=[key])
        return meta

    # On the workers' side.

    def _generate_foldername_debug(self, token_ids, mm_hashes, create_folder=False):
        folder = os.path.join(self._storage_path, mm_hashes[0], f"rank{self._rank}")
        if create_folder:
            os.makedirs(folder, exist_ok=True)
        return folder
