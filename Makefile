# `make bisect` and `make test` need git, make and Python 3.11 or newer; they download everything else.
PYTHON ?= python3
BIN := .venv/bin
PYTEST = $(BIN)/python -m pytest

PACKAGE ?=
PROBE ?= probes/leak.py
ARGS ?=

# Tests start several hundred commands. Without cached byte-code, each would compile the whole package.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help bisect verify browser test simulations faults check lint format types docs site hooks repeat calibrate noisy bench simulate soak clean python-3.8

help:  ## List these targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "%-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

bisect: python-3.8  ## Run a bisection: PACKAGE=… PROBE=… ARGS="…"
	@$(BIN)/bisect-asgi $(PACKAGE) --probe $(PROBE) $(ARGS)

bisect-%: python-3.8  ## Run the bisection of probes/….py, such as `make bisect-streaming-memory`
	@$(BIN)/bisect-asgi --probe probes/$(subst -,_,$*).py $(ARGS)

verify: python-3.8  ## Check the claims of all probes by running releases
	@$(BIN)/bisect-asgi verify probes/ $(ARGS)

repeat: python-3.8  ## Run each probe twenty times on both sides of each of its changes
	$(BIN)/python benchmarks/repeat_probes.py $(ARGS)

calibrate: .venv/installed  ## Simulate searches with flaky probes, and compare methods; ten minutes on two cores
	$(BIN)/python benchmarks/calibrate.py $(ARGS)

noisy: python-3.8  ## Find boundaries of noisy probes on real releases, with all cores busy; half an hour
	$(BIN)/python benchmarks/noisy_cases.py $(ARGS)

bench: python-3.8  ## Measure this tool and its alternatives; half an hour on two idle cores
	$(BIN)/python benchmarks/bench.py $(ARGS)

simulate: .venv/installed  ## Simulate searches with many workers; two minutes on two cores
	$(BIN)/python benchmarks/simulate.py $(ARGS)

soak: .venv/installed  ## Kill 200 processes of searches at random depths; half an hour on two cores
	$(BIN)/python benchmarks/soak.py $(ARGS)

# The probes of served apps need an old Python; if the machine has none, uv downloads it.
python-3.8: .venv/installed
	@$(BIN)/python -c 'import pathlib; from bisect_asgi.backend.interpreters import find; \
		find("3.8", pathlib.Path(".venv/interpreters"))' 2>/dev/null || $(BIN)/uv python install 3.8

docs: .venv/installed  ## Write options, faults, schemas and the manual page in docs from the code
	$(BIN)/python -m bisect_asgi.cli.parameters > docs/options.md
	$(BIN)/python -m bisect_asgi.cli.manual > docs/bisect-asgi.1
	$(BIN)/python -m bisect_asgi.report.schema docs/schema
	PYTHONPATH=tests $(BIN)/python tests/faults/test_faults.py > docs/faults.md
	PYTHONPATH=tests $(BIN)/python tests/mistakes/test_mistakes.py > docs/mistakes.md

# The tests run the same commands, and are skipped without zensical.
site: .venv/installed  ## Build the documentation as a site in build/site; broken links are errors
	@$(BIN)/uv pip install --quiet --python .venv --group site
	$(BIN)/python docs/site/build.py build
	cd build && ../$(BIN)/zensical build --clean --strict

browser: .venv/installed  ## Install Playwright and, as root, Debian's Chromium, for the tests of pages
	@$(BIN)/uv pip install --quiet --python .venv --group browser
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
		[ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium; } || \
		echo "hint: install chromium; until then the tests marked \`browser\` are skipped"

test: .venv/installed  ## Run all tests but the simulations; those marked `network` use the real index
	$(PYTEST) -n auto --dist worksteal -m "not simulation and not fault" $(ARGS)

faults: .venv/installed  ## Cause each fault of the fault table, also as user nobody, and check the command
	$(PYTEST) -n auto --dist worksteal tests/faults $(ARGS)
	PYTHONPATH=tests $(BIN)/python tests/faults/as_nobody.py $(ARGS)

simulations: .venv/installed  ## Run the tests that count the correct results of many simulated searches
	$(PYTEST) -n auto --dist worksteal -m simulation $(ARGS)

# Property tests use the same examples each time; `make test` looks for new ones. The coverage of whole commands
# and simulations is not measured, because tracing would take a third of the time. The code that only they run is
# in `cli`.
check: lint types  ## Do what CI does: lint, types, and all tests, with their coverage
	$(BIN)/coverage erase
	$(MAKE) test PYTEST="$(BIN)/coverage run -m pytest" ARGS="--hypothesis-profile=ci $(ARGS)"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --omit="bisect_asgi/cli/*"
	$(BIN)/coverage report --include="bisect_asgi/core/*" --fail-under=100
	$(MAKE) simulations ARGS=--hypothesis-profile=ci

lint: .venv/installed  ## Check style, format, and which room imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: .venv/installed  ## Fix style and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The benchmarks that call the package run rarely, so type checks find what they would break on.
types: .venv/installed  ## Check types
	$(BIN)/mypy
	MYPYPATH=benchmarks $(BIN)/mypy benchmarks/noisy_cases.py benchmarks/repeat_probes.py

hooks: .venv/installed  ## Check style, format, imports and types before each commit
	$(BIN)/pre-commit install

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than 3.11; hint: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv; }
	@$(BIN)/uv pip install --quiet --python .venv --editable . --group dev
	@touch $@

clean:  ## Remove the virtual environment and the files of checks and tests
	rm -rf .venv .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
