# make sweep   install into .venv and run the main job     (ARGS="..." adds overrides)
# make test    install into .venv and run all checks       (ARGS="..." goes to pytest)
# make ui      MLflow's pages of all studies, on http://127.0.0.1:5000
PYTHON ?= python3
VENV ?= .venv
PORT ?= 5000
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: sweep test lint ui clean

sweep: $(VENV)/.run
	$(BIN)/python -m sweep +experiment=ratio_grid $(ARGS)

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

ui: $(VENV)/.run
	$(BIN)/mlflow ui --backend-store-uri sqlite:///sweeps/mlflow.db --host 127.0.0.1 --port $(PORT)

clean:
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.run
