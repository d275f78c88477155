# Everything runs from a virtual environment in the checkout; `make venv` makes it once.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV   ?= .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
ARGS   ?=
KEEP   ?=
export PYTHONPATH := $(CURDIR)/testbed

.PHONY: help
help: ## What can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(STAMP) ## The virtual environment with all that is needed (PYTHON=python3.12 chooses another)

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make venv PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv or ensurepip: install the package python3-venv, or choose another by PYTHON=…" >&2; exit 1; }
	@echo "==> $(VENV) with the pinned packages"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: up
up: $(STAMP) ## A control plane, Prometheus and speaking pods in the background (ARGS=--jaeger adds traces)
	@$(PY) -m pratique_testbed up $(ARGS)

.PHONY: status
status: $(STAMP) ## What of it runs, and where
	@$(PY) -m pratique_testbed status

.PHONY: kubectl
kubectl: $(STAMP) ## kubectl in it: make kubectl ARGS='get rel -A'
	@$(PY) -m pratique_testbed kubectl $(ARGS)

.PHONY: down
down: $(STAMP) ## End it
	@$(PY) -m pratique_testbed down

.PHONY: demo
demo: $(STAMP) ## Good and bad releases and their verdicts, told step by step (KEEP=1 leaves it running)
	@KEEP=$(KEEP) $(PY) -m pratique_testbed.demo

.PHONY: test
test: lint types ## All checks and all tests
	@echo "==> generated files are up to date"
	@$(VENV)/bin/pratique crds --check
	@$(VENV)/bin/pratique docs --check
ifdef ARGS
	@echo "==> tests: $(ARGS)"
	@$(PY) -m pytest $(ARGS)
else
	@echo "==> the test bed's programs (the first time they are built: some minutes)"
	@$(PY) -m pratique_testbed build || test -z "$$CI"
	@echo "==> tests of the parts, two at a time"
	@$(PY) -m pytest -n 2 tests/unit
	@echo "==> tests on the real parts, three files at a time, each with a control plane of its own"
	@$(PY) -m pytest -n 3 --dist loadfile tests/integration
endif

.PHONY: lint
lint: $(STAMP) ## Style, format and the layers
	@echo "==> style"
	@$(VENV)/bin/ruff check --no-cache .
	@echo "==> format"
	@$(VENV)/bin/ruff format --check --no-cache .

.PHONY: types
types: $(STAMP) ## Types (mypy --strict) and the layers' imports
	@echo "==> types"
	@$(VENV)/bin/mypy
	@echo "==> layers"
	@$(VENV)/bin/lint-imports

.PHONY: bench
bench: $(STAMP) ## Figures: how soon a release is noticed, memory, writes, queries
	@$(PY) -m pratique_testbed.bench $(ARGS)

.PHONY: bench-judge
bench-judge: $(STAMP) ## How often the judge is right: docs/reference/operating-characteristics.md (some minutes)
	@$(PY) -m pratique_testbed.bench_judge $(ARGS)

.PHONY: bench-cases
bench-cases: $(STAMP) ## How long pratique judge takes for 10,000 small cases
	@$(PY) -m pratique_testbed.bench_cases $(ARGS)

.PHONY: crds
crds: $(STAMP) ## Write crds/ and the reference anew from the models
	@$(VENV)/bin/pratique crds
	@$(VENV)/bin/pratique docs

.PHONY: lock
lock: ## Choose the newest packages that pyproject.toml allows, with hashes (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  pyproject.toml -o requirements/runtime.txt
	@echo 'hatchling>=1.27' | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url - -o requirements/build.txt
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --extra dev --constraint requirements/runtime.txt pyproject.toml -o requirements/dev.txt

.PHONY: clean
clean: ## Remove what was made here (built programs stay in the user cache)
	@test ! -x $(PY) || $(PY) -m pratique_testbed down || true
	@rm -rf $(VENV) .testbed .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	@find . -name __pycache__ -prune -exec rm -rf {} +
