# One-line wrappers of tp and of the development tools. `make help` lists them.
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(CURDIR)/$(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo ui test test-slow fmt lint type bench lock docs clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, found $$($(PYTHON) -V); name one with: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "this Python cannot make virtual environments; on Debian and Ubuntu run: sudo apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

setup: $(STAMP) ## Create .venv and install everything from requirements.lock

demo: $(STAMP) ## Make synthetic data, run the whole graph, query it
	@$(BIN)/tp demo

ui: $(STAMP) ## Open the Dagster web UI on the same data
	@$(BIN)/tp ui

test: $(STAMP) ## Run every check and test
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: $(STAMP) ## Run only the slow tests (kill loops, browser, daemons)
	@$(BIN)/python -m pytest -m slow

fmt: $(STAMP) ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lint: $(STAMP) ## Check style and import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports

type: $(STAMP) ## Check types
	@$(BIN)/mypy

bench: $(STAMP) ## Measure speed and memory against the alternatives
	@$(BIN)/python -m bench

lock: ## Renew requirements.lock (needs uv)
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-strip-extras --python-version 3.11 \
		--extra dev --custom-compile-command "make lock" --upgrade pyproject.toml -o requirements.lock

clean: ## Remove the virtual environment and caches (never data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
