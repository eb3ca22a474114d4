# `make demo` and `make test` are all that a fresh machine with Python 3.11+, git and make needs.
PYTHON ?= python3
VENV ?= .venv
SEEDS ?= 1
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# Read before torch is imported: spinning OpenMP threads starve each other on a busy machine.
export OMP_WAIT_POLICY ?= PASSIVE
export TOKENIZERS_PARALLELISM ?= false

.PHONY: setup demo test quick lint board docs gpu-check clean

setup: $(VENV)/.dev-installed
	@$(BIN)/temper resources fetch --suite demo

demo: $(VENV)/.demo-installed
	@$(BIN)/temper resources fetch --suite demo
	@$(BIN)/temper run demo --methods vanilla,freelb --seeds $(SEEDS)
	@$(BIN)/temper board build --results runs/results --site runs/site

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder $(PYTEST_OPTIONS)

quick: $(VENV)/.dev-installed
	$(BIN)/python -m pytest -n 2 --dist loadscope -m "not slow"

lint: $(VENV)/.dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

board: $(VENV)/.dev-installed
	$(BIN)/temper board build

gpu-check: $(VENV)/.dev-installed
	@$(BIN)/python -m scripts.gpu_check

docs: $(VENV)/.docs-installed
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/.demo-installed: pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[textattack]'
	@touch $@

$(VENV)/.dev-installed: pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.demo-installed

$(VENV)/.docs-installed: pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[docs]'
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Temper needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
