# Every target does its own set-up: a virtual environment with the locked packages, made once.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=
WORKERS ?= 4
SPARK := .cache/analytics/spark
FLINK := .cache/analytics/flink
IMAGE := $(foreach extra,sql offload dmi vision sparkplug modbus upload,--extra $(extra))
UV := uv==0.13.8

.PHONY: help demo run test soak cloud-faults fuzz check bench lock proto analytics docs image layers clean
.DEFAULT_GOAL := help

help:  ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14
	@echo "ARGS='…' is passed on: make demo ARGS='--for 60s', make test ARGS='tests/twins -k merge'"

demo: $(VENV)/.run  ## broker, gateway, 20 devices, a camera, a phone, a stand-in cloud and the page, in one terminal
	@$(BIN)/gemelo demo $(ARGS)

run: $(VENV)/.run  ## the gateway with gateway.toml: make run ARGS='-c gateway.toml'
	@$(BIN)/gemelo run $(ARGS)

test: $(VENV)/.dev  ## all tests, four files at once; what a test needs and this machine lacks is skipped and named
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

soak: $(VENV)/.dev  ## the tests that take minutes: kills again and again, a minute of the demo with its ledger
	@$(BIN)/python -m pytest -m slow -s $(ARGS)

cloud-faults: $(VENV)/.dev  ## the slow part of the cloud's fault matrix: eight minutes
	@$(BIN)/python -m pytest -m slow -s tests/cloud $(ARGS)

fuzz: $(VENV)/.dev  ## hostile bytes into what reads messages, a minute; ARGS='--for 900' for longer; better with `pip install atheris`
	@$(BIN)/python -m tests.fuzz $(ARGS)

check: $(VENV)/.dev  ## format, lint, types, direction of imports, systemd units
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@.ci/units

bench: $(VENV)/.dev  ## each hot path once; prints a table and adds to benches/history.jsonl
	@$(BIN)/python -m benches $(ARGS)

proto: $(VENV)/.dev  ## the Python code of proto/, again
	@PYTHON="$(abspath $(BIN))/python" proto/generate.sh

analytics: $(VENV)/.run $(SPARK)/.made $(FLINK)/.made  ## Spark and Flink on a made-up plant; with Java 17, 2 GB of packages once, ten minutes
	@$(BIN)/python -m analytics --spark $(SPARK)/bin/python --flink $(FLINK)/bin/python --out docs/analytics.md $(ARGS)

docs: $(VENV)/.dev  ## docs/configuration.md and systemd/gateway.toml again from the structs
	@$(BIN)/python -m gateway.reference

lock: $(VENV)/.lock  ## requirements/*.txt again from pyproject.toml; ARGS=--upgrade takes newer versions
	@for extra in "all:--extra all pyproject.toml" "image:$(IMAGE) pyproject.toml" "build:--group build" "dev:--extra all --group dev pyproject.toml"; do \
	  file=requirements/$${extra%%:*}.txt; echo "locking $$file"; \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    $${extra#*:} $(ARGS) -o $$file || exit 1; \
	done; \
	for job in spark flink; do file=analytics/$$job/requirements.txt; echo "locking $$file"; \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    analytics/$$job/requirements.in $(ARGS) -o $$file || exit 1; \
	done

image:  ## the container image, with podman or docker: make image ARGS='registry.example/gemelo:1 --platform linux/arm64'
	@deploy/image.sh $(ARGS)

layers: $(VENV)/.dev  ## the Containerfile: its steps in a folder, then an image and a container where buildah, podman and debootstrap are
	@$(BIN)/python -m pytest -m slow tests/deploy $(ARGS)

clean:  ## remove the environment, caches and built files; never data
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …"; exit 1; }
	@.ci/apt run
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/all.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@echo "installing the gateway's packages into $(VENV), once; hashes are checked"
	@$(PIP) install -q --require-hashes -r requirements/all.txt -r requirements/build.txt
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/sparkplug.txt requirements/s3.txt $(VENV)/.run
	@echo "installing the tools for tests and checks into $(VENV), once"
	@$(PIP) install -q --require-hashes -r requirements/dev.txt
	@$(PIP) install -q --require-hashes --no-deps --upgrade --target $(VENV)/sparkplug -r requirements/sparkplug.txt
	@$(PIP) install -q --require-hashes --no-deps --upgrade --target $(VENV)/s3 -r requirements/s3.txt
	@touch $@

.cache/analytics/%/.made: analytics/%/requirements.txt
	@command -v java >/dev/null || { echo "Java 17 is needed: apt-get install openjdk-17-jre-headless"; exit 1; }
	@echo "making .cache/analytics/$*"
	@$(PYTHON) -m venv .cache/analytics/$*
	@.cache/analytics/$*/bin/python -m pip --disable-pip-version-check install -q --require-hashes -r $<
	@touch $@

$(VENV)/.lock: | $(BIN)/python
	@$(PIP) install -q $(UV)
	@touch $@
