# Everything sets itself up in .venv; `make run` and `make test` work on a fresh machine with
# Python 3.11 or 3.12 and make.
PYTHON ?= python3
PORT ?= 8080
CONFIG ?= config/demo.yaml
BIN := .venv/bin
SETUP := PYTHON="$(PYTHON)" .ci/setup

.PHONY: run test check format bench load lock clean

run: .venv/.run
	@PORT=$(PORT) exec $(BIN)/pointsman demo --config $(CONFIG)

test: .venv/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.dev
	$(BIN)/ruff check --fix-only --select I .
	$(BIN)/ruff format .

bench: .venv/.dev
	$(BIN)/python -m loadtest.bench $(ARGS)

load: .venv/.load
	$(BIN)/python -m loadtest.locust_run $(ARGS)

lock:
	$(BIN)/pip install --quiet uv==0.13.9
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra demo pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra demo --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra demo --extra dev --extra load -c requirements-dev.lock pyproject.toml -o requirements-load.lock

.venv/.run: requirements.lock pyproject.toml .ci/setup
	@$(SETUP) requirements.lock
	@touch $@

.venv/.dev: requirements-dev.lock pyproject.toml .ci/setup
	@$(SETUP) requirements-dev.lock
	@touch $@

.venv/.load: requirements-load.lock pyproject.toml .ci/setup
	@$(SETUP) requirements-load.lock
	@touch $@

clean:
	rm -rf .venv .pointsman .bench
