# Everything a person types. `make demo` for a look, `make test` before a commit.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed-runtime
EVERYTHING := $(VENV)/.installed-everything
DEMO := demo

.PHONY: help demo setup test lint test-integration benchmark clean
help:
	@echo "make demo              simulate a study, run the application on it, show where the results are"
	@echo "make setup             .venv with everything: runtime, training, development"
	@echo "make test              lint and tests; needs neither root nor ../shared"
	@echo "make test-integration  tests that need Debian packages (dcmtk) and root"
	@echo "make benchmark         wall time, processor time and memory of the program on a study"

demo: $(RUNTIME)
	rm -rf $(DEMO)
	$(BIN)/python -m phantom $(DEMO)/phantom --seed 7
	$(BIN)/python -m app -i $(DEMO)/phantom/study -o $(DEMO)/results -m models
	$(BIN)/python -m app.preview $(DEMO)/results $(DEMO)/pictures
	@echo "look at $(DEMO)/pictures/*_page1.png; what was simulated is in $(DEMO)/phantom/truth.json"

setup: $(EVERYTHING)

test: setup lint
	$(BIN)/python -m pytest -q --cov --cov-report=term

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-integration: setup
	$(BIN)/python -m pytest -q -m integration tests/integration

benchmark: setup
	$(BIN)/python -m benchmarks

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
