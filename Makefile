# `make run` opens the app, `make test` runs everything; both make .venv first.
#   make run TORCH_INDEX=https://download.pytorch.org/whl/cu128    another build of torch
#   make run PYTHON=python3.12                                     another Python

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
BIN := $(VENV)/bin
ARGS ?=
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: run test test-full bench scaling lint types contracts check snapshots screenshots reference clean

run: $(VENV)/.installed
	@$(BIN)/spivae $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

# the same paths at full size, for a quiet night
test-full: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m full $(ARGS)

# the table of what is fast, and bench.json; for a quiet moment
bench: $(VENV)/.installed-dev
	$(BIN)/python tests/benchmarks/bench.py $(ARGS)

# how the time of a step grows, into docs; for a quiet moment too
scaling: $(VENV)/.installed-dev
	$(BIN)/python tests/benchmarks/scaling.py --export docs/scaling.svg --page docs/scaling.md $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

contracts: $(VENV)/.installed-dev
	$(BIN)/lint-imports

check: test lint types contracts

snapshots: $(VENV)/.installed-dev
	$(BIN)/python -m pytest tests/tui tests/plugins/test_pictures.py --snapshot-update

$(VENV)/bin/python:
	@echo "Making $(VENV) with $$($(PYTHON) --version)" >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "error: spivae needs Python 3.10 or newer; choose one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: constraints.txt | $(VENV)/bin/python
	@echo "Installing torch (once; this takes the longest)" >&2
	@$(INSTALL) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	@echo "Installing spivae" >&2
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing what the tests need" >&2
	@$(INSTALL) -e '.[dev]'
	@touch $@

# the end of plugins/README.md, from the docstrings
reference: $(VENV)/.installed-dev
	$(BIN)/python docs/reference.py

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

screenshots: $(VENV)/.installed-dev
	$(BIN)/python tests/tui/screenshots.py
