# Two commands do all the set-up: `make demo` and `make test`. Everything is installed into .venv from the pinned locks.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip --quiet
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo measure test tools pocket test-quick lint type docs notebooks strip lab figures lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/base.stamp  ## attribute the move of DeepSeek-R1 from H200 to GB200 NVL72 and print the report's path
	$(BIN)/frontier run experiment=deepseek_r1_h200_to_gb200

measure: $(VENV)/measure.stamp  ## four levers on a live server on this machine's cores, measured (about 40 minutes on two cores)
	$(BIN)/frontier doctor --install vllm --install aiperf
	$(BIN)/frontier doctor --calibrate
	$(BIN)/frontier checkpoint make pocket
	$(BIN)/frontier run experiment=pocket_cpu

# 0 is pip's way to say that nothing is compiled: tests import a small part of what is installed, and what is imported is compiled then.
test: export PIP_NO_COMPILE := 0
test: $(VENV)/dev.stamp  ## run everything that is tested; what measures a live server comes last, alone on the machine
	$(MAKE) -j 3 lint tools pocket
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not live" $(PYTEST_ARGS)
	$(BIN)/python -m pytest -m live tests/live tests/load/test_load_aiperf.py tests/engines/test_trtllm_real_client.py $(PYTEST_ARGS)

tools: $(VENV)/dev.stamp  ## the environments of vLLM and aiperf, once (some minutes)
	$(BIN)/frontier doctor --install vllm --install aiperf
	$(BIN)/python tests/containers/podman_for_tests.py
	$(BIN)/python tests/slurm/one_box_slurm.py

pocket: $(VENV)/dev.stamp  ## the checkpoint that the measured tests serve, once (some minutes of all cores)
	$(BIN)/frontier checkpoint make pocket

test-quick: $(VENV)/dev.stamp  ## the tests without those that take more than a minute
	$(BIN)/python -m pytest -n 3 --dist loadfile -m "not slow" $(PYTEST_ARGS)

lint: $(VENV)/dev.stamp  ## ruff and mypy (strict on lib/)
	$(BIN)/ruff check .
	$(BIN)/mypy

type: lint

docs: $(VENV)/dev.stamp  ## run every command of README and docs
	$(BIN)/python -m pytest tests/docs

notebooks: $(VENV)/dev.stamp  ## run every notebook on the smoke experiment
	$(BIN)/python -m pytest tests/notebooks

strip: $(VENV)/dev.stamp  ## take outputs and counts out of the notebooks before a commit
	$(BIN)/nbstripout notebooks/*.ipynb

lab: $(VENV)/lab.stamp  ## open JupyterLab on the notebooks
	$(BIN)/frontier lab

figures: demo  ## copy the main job's figures that README shows
	cp "$$($(BIN)/frontier report --experiment deepseek_r1_h200_to_gb200 | xargs dirname)/figures/frontiers.png" docs/figures/deepseek_r1_h200_to_gb200.png

lock:  ## resolve the newest allowed versions into requirements/*.lock
	$(PYTHON) requirements/lock.py

clean:  ## remove the environment (runs stay)
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(f"Python 3.11 to 3.13 is needed, {sys.executable} is {v[0]}.{v[1]}; try make PYTHON=python3.12") if not (3, 11) <= v <= (3, 13) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/base.stamp: requirements/base.lock pyproject.toml | $(BIN)/python
	@echo "installing the pinned packages into $(VENV) (a minute or two, once)"
	@$(PIP) install -r requirements/base.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/measure.stamp: requirements/measure.lock pyproject.toml | $(BIN)/python
	@echo "installing the pinned packages and torch into $(VENV) (a few minutes, once)"
	@$(PIP) install -r requirements/measure.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/base.stamp

$(VENV)/dev.stamp: requirements/dev.lock pyproject.toml | $(BIN)/python
	@echo "installing the pinned packages and the test tools into $(VENV) (a few minutes, once)"
	@$(PIP) install -r requirements/dev.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/base.stamp $(VENV)/lab.stamp

$(VENV)/lab.stamp: requirements/dev.lock pyproject.toml | $(BIN)/python
	@echo "installing JupyterLab and the pinned packages into $(VENV) (a few minutes, once)"
	@$(PIP) install -r requirements/dev.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/base.stamp
