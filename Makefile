# make demo    raw text to a served and a mobile model, about six minutes on 2 cores
# make test    everything that CI runs
# make format lint types bench test-garden clean-demo

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
EXPORT_TF := TF_CPP_MIN_LOG_LEVEL=2

.PHONY: demo clean-demo test test-garden format lint types bench

demo: $(VENV)/demo-installed
	@$(BIN)/python -m benchmarks.demo --output_dir=build/demo

clean-demo:
	rm -rf build/demo

test: $(VENV)/dev-installed
	$(BIN)/python -m pytest -n 2 -m "not garden"

format: $(VENV)/dev-installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/dev-installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/dev-installed
	$(BIN)/mypy
