# `make bisect` and `make test` need git, make and Python 3.11 or newer; everything else they fetch.
PYTHON ?= python3
BIN := .venv/bin

PACKAGE ?= fastapi
PROBE ?= probes/anyio_import.py
ARGS ?=

.PHONY: bisect test check lint format types coverage bench clean

bisect: .venv/installed  ## Run a bisection: PACKAGE=… PROBE=… ARGS="…"
	@$(BIN)/bisect-asgi $(PACKAGE) --probe $(PROBE) $(ARGS)

test: .venv/installed  ## Run all tests; those marked `network` use the real index
	$(BIN)/python -m pytest

check: lint types coverage  ## What CI runs

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/installed
	$(BIN)/mypy

coverage: .venv/installed
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than 3.11; hint: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv; }
	@$(BIN)/uv pip install --quiet --python .venv --editable . --group dev
	@touch $@

clean:
	rm -rf .venv .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
