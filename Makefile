# Everything here needs Python 3.11+, make and a network, and nothing else. `make help` lists the targets.

.DEFAULT_GOAL := help
.PHONY: help demo docs api coverage test check lint types tests quick long durations tools venv venv-dev clean
SHELL := bash
VENV ?= .venv
FRAMEWORKS ?= .venv-frameworks
BIN := $(VENV)/bin
# The first Python on the PATH that is new enough; PYTHON=... overrides it.
PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,$(shell $(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))
# Not by its own name on the line, for make runs such a line under -n too, and these stop Slurm at their end.
AGAIN = $(MAKE) --no-print-directory
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 3
export ONTUNE_FRAMEWORKS = $(abspath $(FRAMEWORKS))
export PATH := $(CURDIR)/.tools/apptainer/usr/bin:$(abspath $(BIN)):$(PATH)

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

demo: venv  ## plan, build and measure a small network on this machine (FULL=1 adds two more baselines)
	@tools/install-apptainer.sh || echo "no Apptainer: the demo measures in a virtual environment" >&2
	@$(BIN)/ontune demo $(if $(FULL),--full)

test: venv-dev tools  ## install what the tests need, then run linter, type checker and all tests
	@$(AGAIN) check; code=$$?; tools/stop-slurm.sh; exit $$code

check: venv-dev lint types tests  ## linter, type checker and tests with what is installed

lint: venv-dev
	@echo "ruff" >&2; $(BIN)/ruff check . && $(BIN)/ruff format --check --quiet .

types: venv-dev
	@echo "mypy" >&2; $(BIN)/mypy

tests: venv-dev
	@$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder $(PYTEST)

quick: venv-dev lint types  ## linter, type checker and as many cheap tests as a budget holds: under two minutes
	@$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder --quick $(PYTEST)

long: venv-dev tools  ## everything, with the long campaigns that the other targets leave out
	@$(AGAIN) check PYTEST="-m '' $(PYTEST)"; code=$$?; tools/stop-slurm.sh; exit $$code

durations: venv-dev  ## time the tests anew, for `make quick`
	@$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder --record-durations -m "not long and not slow and not apptainer and not slurm" $(PYTEST)

coverage: venv-dev  ## the lines and branches that the tests under a second reach, with the floor of pyproject.toml
	@$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder --quick --budget=inf --cov --cov-report=term $(PYTEST)

docs: venv  ## the ontology, the facts and the rules as HTML, in build/docs
	@$(BIN)/ontune kb export --format html -o build/docs

api: venv-dev  ## the Python of all rooms as HTML, from its docstrings, in build/api
	@$(PIP_INSTALL) --editable '.[docs]'
	@$(BIN)/pdoc --docformat google --no-show-source -o build/api ontune kb reasoner generators bench '!generators.payload' '!kb.probe.collect'

tools: venv-dev  ## Apptainer, debootstrap, buildah, Slurm, Java, TCMalloc, PyTorch and TensorFlow for the tests
	@tools/install-apptainer.sh
	@tools/install-debootstrap.sh
	@tools/install-slurm.sh
	@tools/install-shellcheck.sh
	@tools/install-tcmalloc.sh
	@tools/install-buildah.sh
	@tools/install-java.sh
	@PYTHON=$(abspath $(BIN)/python) tools/make-frameworks.sh $(FRAMEWORKS)

venv: $(VENV)/.installed  ## the virtual environment with Ontune
venv-dev: $(VENV)/.installed-dev

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer on the PATH; set PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "making the virtual environment $(VENV) with $(PYTHON)" >&2
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module does not work: on Debian and Ubuntu, install python3-venv" >&2; exit 1; }

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing Ontune (about a minute)" >&2
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing what the tests need" >&2
	@$(PIP_INSTALL) --editable '.[dev,serve]'
	@touch $@

clean:  ## remove what make has made, not what is in the user's cache
	rm -rf $(VENV) $(FRAMEWORKS) build dist .mypy_cache .ruff_cache .pytest_cache
