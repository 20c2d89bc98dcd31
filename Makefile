# One command each. `make test` is what CI runs; `make demo` needs nothing but Python 3, make and a network.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The interpreter that starts the set-up; any Python 3 will do (scripts/bootstrap.py finds one >= 3.12 for the project).
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: help setup check test demo demo-stop screenshots bench soak crash lock clean

help:  ## say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

setup:  ## make .venv as the lock files say; no work and no network when nothing changed
	@$(PYTHON) scripts/bootstrap.py

check: setup  ## style, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# All tests run on two workers (tests/parallel_plugin.py); a choice of them by ARGS on one, in their order.
test: check  ## check, then every test (ARGS="--flow ERP-3" for one flow)
	$(BIN)/pytest $(if $(strip $(ARGS)),$(ARGS),-n 2 --dist loadscope --durations 25 --durations-min 5)

demo: setup  ## a business day on real systems (EXIT=1: stop everything at the end)
	$(BIN)/isthmus demo $(if $(filter-out 0,$(EXIT)),--exit) $(ARGS)

demo-stop:  ## stop what a demo left running
	$(BIN)/isthmus demo --stop

screenshots: setup  ## take the documents' pictures from a running demo (needs chromium)
	$(BIN)/python scripts/screenshots.py $(ARGS)

bench: setup  ## run the benchmarks, each figure beside its floor
	$(BIN)/python -m benchmarks $(ARGS)

soak: setup  ## simulate 1,000,000 steps and write the figures into docs/reliability.md (ARGS="--steps 100000")
	$(BIN)/python scripts/soak.py $(ARGS)

crash: setup  ## kill hub, PostgreSQL, CRM and ERP under the people; writes the figures into docs/reliability.md (ARGS="--seed 2")
	$(BIN)/python -m tests.campaign.crash --write $(ARGS)

lock: setup  ## make the lock files anew (UPGRADE=1: newest versions)
	@$(BIN)/python scripts/lock.py $(if $(filter-out 0,$(UPGRADE)),--upgrade)

clean:  ## remove the environment and every cache
	rm -rf .venv .bootstrap .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov .coverage build dist
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
