# `make help` lists the targets. The first one run builds .venv; it is rebuilt when a pinned version changes.
#   PYTHON=python3.12   another interpreter (3.11 or newer)
#   POSTGRES=15         embedded targets on Debian's binaries of that version, in /usr/lib/postgresql/15/bin
#   ARGS=...            passed on: to the demo (--for 30 --kill-leader --json), to pytest
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
WORKERS ?= 2
ROUNDS ?= 3
SECONDS_OF_CHAOS := $(or $(SECONDS),60)
OLD ?= $(shell git describe --tags --abbrev=0 2>/dev/null)
VENV := .venv
BIN := $(VENV)/bin
REQUIREMENTS := requirements/base.txt requirements/otel.txt requirements/prod.txt requirements/bench.txt requirements/dev.txt
# Content, not time: a fresh checkout or another branch with the same pins keeps its environment.
STAMP := $(VENV)/installed-$(shell cat $(REQUIREMENTS) | cksum | tr ' ' '-')

ifdef POSTGRES
export EMBEDDED_POSTGRES_BIN := $(or $(EMBEDDED_POSTGRES_BIN),/usr/lib/postgresql/$(POSTGRES)/bin)
endif

.PHONY: help demo test row verify lint types imports bench chaos model clean .venv

help: ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

.venv: $(STAMP)

$(STAMP):
	@command -v $(PYTHON) >/dev/null || { echo "No $(PYTHON) here. Install Python 3.11 or newer, or name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1); 3.11 or newer is needed: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV) (once) ..." >&2
	@$(PYTHON) -m venv --clear $(VENV) >&2
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input -r requirements/dev.txt >&2
	@touch $@

demo: $(STAMP) ## The product at work on this machine; ARGS="--for 30 --kill-leader --json"
	@exec $(BIN)/python manage.py demo $(ARGS)

test: $(STAMP) ## The tests; POSTGRES=15 for another version, ARGS for pytest
	@$(BIN)/python -m pytest -n $(WORKERS) -rs $(ARGS)

row: $(STAMP) ## A row of the test matrix, for the gates: ROW=B
	@files=$$($(BIN)/python -m apps.operations.gates.matrix $(ROW)) && $(BIN)/python -m pytest -n $(WORKERS) -rs $(ARGS) $$files

lint: $(STAMP) ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP) ## mypy with django-stubs
	@$(BIN)/mypy apps scheduler_saas

imports: $(STAMP) ## Layers, and migrations that match the models
	@$(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run

verify: lint types imports test ## All of the above

bench: $(STAMP) ## Every figure beside its peer or limit, into docs/benchmarks.md; ONLY="dispatch noop" ROUNDS=3
	@$(BIN)/python -m tests.benchmarks $(ONLY) --rounds $(ROUNDS) $(ARGS)

chaos: $(STAMP) ## Random faults, a cut network, a failover, an upgrade; SECONDS=60 SEED=1 OLD=v0.1.0 (default: the newest tag)
	@SECONDS=$(SECONDS_OF_CHAOS) SEED=$(SEED) OLD=$(OLD) $(BIN)/python -m pytest -rs -p no:cacheprovider --timeout 0 tests/chaos $(ARGS)

model: ## The protocol as a model, checked by spin; ARGS=NO_FENCE for one broken variant, step by step
	@$(if $(ARGS),,$(PYTHON) -m apps.operations.gates.own_command D-model --) $(PYTHON) docs/model/check $(ARGS)

clean: ## Stop the embedded Postgres; remove its data, .venv and caches
	@if [ -x $(BIN)/python ] && [ -d scheduler_saas ]; then $(BIN)/python -m scheduler_saas.embedded remove; fi
	@rm -rf $(VENV) var staticfiles .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
