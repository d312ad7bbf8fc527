# Two commands: `make serve` runs every API with sample data; `make test` is the gate.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -n auto --dist loadgroup

.PHONY: serve test lint types check install lock audit docs clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "backendhub needs Python 3.11 or newer; set PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

serve: install
	$(BIN)/backendhub serve --demo

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

test: lint types
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# Regenerates the reference pages and the README table that the tests compare.
docs: install
	$(BIN)/python -m backendhub.app.reference

# Pins every development dependency for every platform.
lock:
	uv pip compile --universal --python-version 3.11 --extra all --group dev pyproject.toml -o requirements-dev.lock --no-header --no-annotate

# Compares the pinned versions with the published advisories (docs/security.md says by when they are acted on).
audit:
	uvx pip-audit --requirement requirements-dev.lock --no-deps --disable-pip

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache
