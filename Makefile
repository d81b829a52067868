# What a person types here. `make demo` needs only what the product needs; everything else needs the development lock.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test lint lint-types lint-style lint-format lint-imports bench clients audit wheel package sbom licences setup \
	setup-run lock clean prerequisites-run prerequisites-test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests wait for processes more than they work: on two processors four at once leave little of them idle.
WORKERS ?= 4
# Seconds after which a test suite that hangs is stopped and counted as failed: five times what it may take, since machines differ.
TEST_LIMIT ?= 3000
# Further arguments: `make demo ARGS=--once`, `make test ARGS="-k window"`.
ARGS ?=

PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# setuptools greets every editable installation with a warning that asks for nothing.
INSTALL_ITSELF := PYTHONWARNINGS=ignore $(PIP_INSTALL) --no-deps --no-build-isolation -e .
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-emit-trusted-host --strip-extras --allow-unsafe --no-header --annotation-style=line

help:
	@echo "make demo    a bastion with two real devices on this machine (ARGS=--once: unattended, shows and proves the main job)"
	@echo "make test    lint, types and every test"
	@echo "make lint    ruff, mypy, import contracts"
	@echo "make bench   one table: direct, ssh -J, Écluse"
	@echo "             (make bench ARGS=--help names the other measurements: sealing, store, proofs, search, …)"
	@echo "make clients docs/clients.md, from the results of the tests that drive clients"
	@echo "make wheel   dist/ecluse-*.whl, the same bytes from the same commit"
	@echo "make package dist/ecluse_*.deb, for Debian 12 (needs dpkg and the system's python3 with venv)"
	@echo "make sbom    dist/ecluse.cdx.json, what a release holds (CycloneDX); make licences: the same as a page, docs/licences.md"
	@echo "make audit   known vulnerabilities of what is pinned, where the advisories can be had (ARGS=--required: or else fail)"
	@echo "make setup   the environment alone, from the locks (setup-run: without the tests' tools)"
	@echo "make lock    resolve the dependencies again and write the locks"
	@echo "make clean   remove what these commands made"

demo: setup-run
	@$(BIN)/ecluse demo $(ARGS)

# Where the environment forbids bytecode, every worker would rewrite a hundred modules of pytest's plugins anew.
test: lint
	PYTHONDONTWRITEBYTECODE= timeout --kill-after=15 $(TEST_LIMIT) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

# mypy is the longest, so the others go beside it; each tells its own part whole.
lint: setup
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target --keep-going lint-types lint-style lint-format lint-imports

lint-types:
	$(BIN)/mypy

lint-style:
	$(BIN)/ruff check .

lint-format:
	$(BIN)/ruff format --check .

lint-imports:
	$(BIN)/lint-imports --no-logo

clients: setup
	$(BIN)/python -m pytest -m client --clients-page docs/clients.md $(ARGS)

bench: setup
	@$(BIN)/python bench/run.py $(ARGS)

audit: setup
	@$(BIN)/python tools/audit $(ARGS)

# The time of the commit stands for the time of the building, and nothing of an earlier one is taken along.
wheel: setup
	rm -rf build
	umask 022; SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
		$(BIN)/python -m build --quiet --wheel --no-isolation --outdir dist .
	@sha256sum dist/ecluse-*.whl

package: setup-run
	@deploy/debian/build dist

sbom: setup
	@$(BIN)/python tools/bom write dist/ecluse.cdx.json

licences: setup
	@$(BIN)/python tools/bom page

setup: prerequisites-test $(VENV)/.locked-dev $(VENV)/.locked-browser $(VENV)/.locked-assets

setup-run: prerequisites-run $(VENV)/.locked-run $(VENV)/.locked-assets

prerequisites-run:
	@PYTHON="$(PYTHON)" tools/prerequisites run

prerequisites-test:
	@PYTHON="$(PYTHON)" tools/prerequisites test

$(BIN)/python: | prerequisites-run
	$(PYTHON) -m venv $(VENV)

$(VENV)/.locked-run: requirements.txt pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r requirements.txt
	$(INSTALL_ITSELF)
	@touch $@

# The development lock holds every line of the other one.
$(VENV)/.locked-dev: requirements-dev.txt requirements.txt pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	$(INSTALL_ITSELF)
	@touch $(VENV)/.locked-run $@

# What the console's pages are made with: fetched by the lock, nothing of it run, copied beside the console's own files.
$(VENV)/.locked-assets: package-lock.json package.json tools/assets | $(BIN)/python
	npm ci --ignore-scripts --no-audit --no-fund --silent
	$(BIN)/python tools/assets
	@touch $@

# Looks for faults of accessibility in the pages; no part of the product, and nothing of it is run while it is fetched.
$(VENV)/.locked-browser: tests/browser/package-lock.json tests/browser/package.json | $(BIN)/python
	npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund --silent
	@touch $@

lock: setup
	$(COMPILE) --build-deps-for editable -o requirements.txt pyproject.toml
	$(COMPILE) --build-deps-for editable --extra test --extra dev --extra otel -c requirements.txt -o requirements-dev.txt pyproject.toml

clean:
	rm -rf $(VENV) .demo build dist ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache tests/browser/node_modules \
		node_modules admin_api/console/static/vendor
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
