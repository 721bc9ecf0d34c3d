# Everything a person types. `make demo` for a look, `make test` before a commit.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed-runtime
EVERYTHING := $(VENV)/.installed-everything
DEMO := demo
BENCHMARK := .venv-benchmark
STOCK := .venv-benchmark-stock

IMAGE ?= breast-pcr:latest
ACCELERATOR ?= cpu
LOCKS := deploy/map
# Where the image runs: Debian 12 has glibc 2.36.
COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --no-annotate \
	--python-version 3.11 --python-platform x86_64-manylinux_2_36
# What the SDK and Holoscan require and no program of ours imports: half of what the image would weigh.
UNUSED := cupy-cuda13x cuda-python cuda-bindings cuda-core perf-analyzer pip

.PHONY: help demo setup test lint test-integration fuzz benchmark image lock clean
help:
	@echo "make demo              simulate a study, run the application on it, show where the results are"
	@echo "make setup             .venv with everything: runtime, training, development"
	@echo "make test              lint and tests; needs neither root nor ../shared"
	@echo "make test-integration  tests that need Debian packages (dcmtk) and root"
	@echo "make fuzz              20,000 mutated studies through the reader, about a quarter of an hour"
	@echo "make image             the container, with Docker or podman; ACCELERATOR=gpu IMAGE=NAME:TAG (docs/container.md)"
	@echo "make lock              the versions and hashes that the image is built from, from pyproject.toml"
	@echo "make benchmark         wall time, processor time and memory, beside the stock pipeline of the SDK"

demo: $(RUNTIME)
	rm -rf $(DEMO)
	$(BIN)/python -m phantom $(DEMO)/phantom --seed 7
	$(BIN)/python -m app -i $(DEMO)/phantom/study -o $(DEMO)/results -m models
	$(BIN)/python -m app.preview $(DEMO)/results $(DEMO)/pictures
	@echo "look at $(DEMO)/pictures/*_summary1.png; what was simulated is in $(DEMO)/phantom/truth.json"

setup: $(EVERYTHING)

test: setup lint
	$(BIN)/python -m pytest -q -n auto --dist loadfile --cov --cov-report=term

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-integration: setup
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m integration tests/integration

fuzz: setup
	$(BIN)/python -m tests.fuzz --inputs 20000 --workers 2 --seed 1

# Each of the two that are compared has an environment of its own: torch in ours would slow it down.
benchmark: $(BENCHMARK)/.installed $(STOCK)/.installed
	$(BENCHMARK)/bin/python -m benchmarks --stock-python $(STOCK)/bin/python $(BENCHMARK_OPTIONS)

image:
	deploy/map/build.sh $(IMAGE) --build-arg=ACCELERATOR=$(ACCELERATOR)

# Keeps the versions that are locked, as far as pyproject.toml allows; remove a lock first to renew all of its versions.
lock: setup
	for accelerator in cpu gpu; do \
		$(COMPILE) $(UNUSED:%=--no-emit-package %) pyproject.toml --extra $$accelerator --extra pacs --extra batch \
			-o $(LOCKS)/requirements-$$accelerator.txt || exit 1; \
	done
	$(COMPILE) $(LOCKS)/requirements-sbom.in -o $(LOCKS)/requirements-sbom.txt

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e '.[cpu,demo]'
	touch $@

$(EVERYTHING): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e '.[cpu,demo,pacs,batch,train,dev]'
	touch $@ $(RUNTIME)

$(BENCHMARK)/.installed: pyproject.toml
	$(PYTHON) -m venv $(BENCHMARK)
	$(BENCHMARK)/bin/python -m pip install -q -e '.[cpu,demo]'
	touch $@

$(STOCK)/.installed: benchmarks/stock_requirements.txt
	$(PYTHON) -m venv $(STOCK)
	$(STOCK)/bin/python -m pip install -q -r benchmarks/stock_requirements.txt
	touch $@
