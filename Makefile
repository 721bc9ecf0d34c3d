# Everything a person types. `make demo` for a look, `make test` before a commit.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed-runtime
EVERYTHING := $(VENV)/.installed-everything
DEMO := demo
BENCHMARK := .venv-benchmark
STOCK := .venv-benchmark-stock

.PHONY: help demo setup test lint test-integration fuzz benchmark clean
help:
	@echo "make demo              simulate a study, run the application on it, show where the results are"
	@echo "make setup             .venv with everything: runtime, training, development"
	@echo "make test              lint and tests; needs neither root nor ../shared"
	@echo "make test-integration  tests that need Debian packages (dcmtk) and root"
	@echo "make fuzz              20,000 mutated studies through the reader, about a quarter of an hour"
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
	$(BIN)/python -m pytest -q -m integration tests/integration

fuzz: setup
	$(BIN)/python -m tests.fuzz --inputs 20000 --workers 2 --seed 1

# Each of the two that are compared has an environment of its own: torch in ours would slow it down.
benchmark: $(BENCHMARK)/.installed $(STOCK)/.installed
	$(BENCHMARK)/bin/python -m benchmarks --stock-python $(STOCK)/bin/python $(BENCHMARK_OPTIONS)

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e '.[cpu,demo]'
	touch $@

$(EVERYTHING): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e '.[cpu,demo,train,dev]'
	touch $@ $(RUNTIME)

$(BENCHMARK)/.installed: pyproject.toml
	$(PYTHON) -m venv $(BENCHMARK)
	$(BENCHMARK)/bin/python -m pip install -q -e '.[cpu,demo]'
	touch $@

$(STOCK)/.installed: benchmarks/stock_requirements.txt
	$(PYTHON) -m venv $(STOCK)
	$(STOCK)/bin/python -m pip install -q -r benchmarks/stock_requirements.txt
	touch $@
