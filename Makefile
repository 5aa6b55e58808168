# Needs Python 3.11, make and a package index; everything else is installed into .venv by the first target that needs it.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test slurm-test check bench proto data clean

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
INSTALLED := $(VENV)/.installed
MNIST_IDX ?=

help: ## Say what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(INSTALLED) ## Install everything into .venv (once; again when the pins change)

run: setup ## Train FC-MNIST on the simulated wafer, evaluate it, say whether the input kept up
	@$(PYTHON) -m clients.fc_mnist

test: setup ## Run the tests
	@$(PYTHON) -m pytest -n auto --dist worksteal

slurm-test: setup ## Run jobs on a Slurm cluster of its own (needs Debian's slurm-wlm and munge)
	@$(PYTHON) -m pytest tests/slurm

check: setup ## Format, lint, types, layers, contracts, drift of generated code: what CI runs before the tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy scripts
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/buf lint
	@$(PYTHON) scripts/generate_proto.py --check
	@$(PYTHON) scripts/generate_kernels.py --check
	@$(PYTHON) scripts/generate_metrics.py --check

bench: setup ## Measure; prints a table
	@$(PYTHON) -m benchmarks

proto: setup ## Generate wire/v1 from proto/
	@$(PYTHON) scripts/generate_proto.py

data: setup ## Make data/mnist again from the four IDX files: make data MNIST_IDX=<directory>
	@test -n '$(MNIST_IDX)' || { echo 'make data: say where the IDX files are: make data MNIST_IDX=<directory>' >&2; exit 2; }
	@$(PYTHON) scripts/mnist_to_parquet.py '$(MNIST_IDX)'

clean: ## Remove .venv, caches and what runs wrote
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info dist model_dir runs
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	@for python in python3.11 python3; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	test -n "$$found" || { echo 'make: Python 3.11 is needed and neither python3.11 nor python3 is one; install it and run make again' >&2; exit 1; }; \
	echo "setting up $(VENV) (a minute or two, once)"; \
	$(PYTHON) -c '' 2>/dev/null || $$found -m venv --clear $(VENV)
	@$(PYTHON) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
