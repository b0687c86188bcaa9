# Everything sets itself up in .venv; `make run` and `make test` work on a fresh machine with
# Python 3.11 or 3.12 and make.
PORT ?= 8080
CONFIG ?= config/demo.yaml
BIN := .venv/bin
SETUP := PYTHON="$(PYTHON)" .ci/setup

.PHONY: run setup test check format bench load lock clean same-python anew

run: .venv/.run
	@PORT=$(PORT) exec $(BIN)/pointsman demo --config $(CONFIG) $(ARGS)

setup: .venv/.run

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

STAMPS := .venv/.run .venv/.dev .venv/.load
# A Python that was named must be the one that .venv was made with.
ifneq ($(PYTHON),)
$(STAMPS): | same-python
endif
# The Python that .venv was made with may be gone since.
ifneq ($(shell test -x $(BIN)/python && $(BIN)/python -c 'print("runs")'),runs)
$(STAMPS): anew
endif

same-python:
	@$(SETUP)

anew:

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
