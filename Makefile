# Everything a person or CI runs. Only GNU make, Python 3.11+, git and the package registries are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.run-ready
TEST_STAMP := $(VENV)/.test-ready

.PHONY: help demo demo-check test lint bench lock services clean screenshots

help:           ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): requirements/run.txt requirements/htmx.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/htmx.txt
	printf '#!/bin/sh\nPYTHONPATH="%s$${PYTHONPATH:+:$$PYTHONPATH}" exec "%s" -m sync "$$@"\n' "$(CURDIR)" "$(CURDIR)/$(BIN)/python" > $(BIN)/crm-sync
	chmod +x $(BIN)/crm-sync
	touch $@

$(TEST_STAMP): requirements/test.txt $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.txt
	touch $@

demo: $(STAMP)  ## set up, pull a demo team's mailboxes and serve the UI with the log filled
	$(BIN)/python -m sync.demo

demo-check: $(STAMP)  ## the same, asserts over HTTP that the log is right, and exits
	$(BIN)/python -m sync.demo --check

services:       ## the servers that the tests need, from apt where it may
	sh tests/install_services.sh

lint: $(TEST_STAMP)  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/mypy

test: services $(TEST_STAMP) lint  ## the whole suite
	$(BIN)/python -m pytest -n $${TEST_WORKERS:-2} --dist loadgroup

bench: services $(TEST_STAMP)  ## measures against mbsync in one run; see docs/bench.md
	$(BIN)/python -m tests.bench

lock:           ## write the requirement files anew from the .in files
	$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet uv
	cd requirements && for f in run test; do ../$(VENV)-lock/bin/uv pip compile --quiet --generate-hashes --no-header --universal --python-version 3.11 $$f.in -o $$f.txt; done
	cd requirements && ../$(VENV)-lock/bin/uv pip compile --quiet --generate-hashes --no-header --no-deps htmx.in -o htmx.txt
	rm -rf $(VENV)-lock

screenshots: $(TEST_STAMP)  ## docs/screenshots, from the demo
	$(BIN)/python -m tests.web.screenshots

clean:          ## what make made
	rm -rf $(VENV) data .hypothesis .mypy_cache .ruff_cache bench/out
