# make sweep   install into .venv and run the main job     (ARGS="..." adds overrides)
# make test    install into .venv and run all checks       (ARGS="..." goes to pytest)
# make test-fast   after it: the tests that start no process, and those of the architecture
# make ui      MLflow's pages of all studies, on http://127.0.0.1:5000
# make dashboard STUDY=ratio_grid    optuna-dashboard of one study, running or not, on http://127.0.0.1:8080
PYTHON ?= python3
VENV ?= .venv
PORT ?= 5000
STUDY ?= ratio_grid
STORAGE ?= sqlite:///sweeps/$(STUDY)/study.db
DASHBOARD_PORT ?= 8080
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: sweep test test-fast lint ui dashboard clean

sweep: $(VENV)/.run
	$(BIN)/python -m sweep +experiment=ratio_grid $(ARGS)

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

test-fast: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses 2 tests/unit tests/architecture $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

ui: $(VENV)/.run
	$(BIN)/mlflow ui --backend-store-uri sqlite:///sweeps/mlflow.db --host 127.0.0.1 --port $(PORT)

dashboard: $(VENV)/.dashboard
	@test '$(STORAGE)' != 'sqlite:///sweeps/$(STUDY)/study.db' -o -f sweeps/$(STUDY)/study.db \
	    || { echo "no study '$(STUDY)': make dashboard STUDY=NAME, one of: $$(ls sweeps)" >&2; exit 2; }
	$(BIN)/optuna-dashboard '$(STORAGE)' --host 127.0.0.1 --port $(DASHBOARD_PORT)

clean:
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

$(VENV)/.dashboard: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[dashboard]'
	touch $@ $(VENV)/.run

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.run
