# make sweep   install into .venv and run the main job     (ARGS="..." adds overrides)
# make test    install into .venv and run all checks       (ARGS="..." goes to pytest)
# make test-fast   after it: the tests that start no process, and those of the architecture
# make fuzz   after it: 25 times as many damaged files and odd settings as make test tries (SWEEP_FUZZ=...)
# make gpu     what is computed on a GPU, checked on the one of this machine, and measured     (ARGS="..." goes to pytest)
# make reproduce   a reduced form of the reference study, held against sweeps/reference-me5-small     (ARGS="..." adds overrides)
# make ui      MLflow's pages of all studies, on http://127.0.0.1:5000
# make docs    the pages of docs/ as a site, in build/site
# make dashboard STUDY=ratio_grid    optuna-dashboard of one study, running or not, on http://127.0.0.1:8080
#              (a database elsewhere: export STORAGE=URL first; what stands after make, everyone on the machine can read)
PYTHON ?= python3
VENV ?= .venv
PORT ?= 5000
STUDY ?= ratio_grid
STORAGE ?=
DASHBOARD_PORT ?= 8080
ARGS ?=

# Recipes get these through the environment and quote them: whatever they hold is text to make and to the shell. So is
# whatever else stands on the command line, which make would expand to put it into the environment.
override TEXTS := PYTHON VENV PORT STUDY STORAGE DASHBOARD_PORT ARGS
override GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
$(foreach name,$(TEXTS) $(GIVEN),$(eval override $(name) := $$(value $(name))))
export $(TEXTS)
export MLFLOW_DISABLE_TELEMETRY ?= true
override PIP := "$$VENV/bin/python" -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
override WITH_ARGS := exec "$$VENV/bin/python" scripts/with_args.py

# Only VENV names targets, where some characters would mean something to make.
override UNUSABLE := ; & | < > ` ' " \ * ? : = % ~ [ ] { } ! $$
$(foreach char,$(UNUSABLE),$(if $(findstring $(char),$(VENV)),$(error VENV: a path with $(char) in it cannot be used)))
ifneq ($(words $(VENV)),1)
$(error VENV must be the path of one folder, without spaces)
endif

.PHONY: sweep test test-fast fuzz gpu reproduce lint ui docs dashboard clean

sweep: $(VENV)/.run
	$(WITH_ARGS) -m sweep +experiment=ratio_grid

test: $(VENV)/.dev lint
	$(WITH_ARGS) -m pytest --numprocesses 2 --dist worksteal

fuzz: $(VENV)/.dev
	SWEEP_FUZZ=$${SWEEP_FUZZ:-25} $(WITH_ARGS) -m pytest --numprocesses 2 tests/fuzz

gpu: $(VENV)/.dev
	$(WITH_ARGS) -m pytest tests/gpu
	"$$VENV/bin/python" benchmarks/gpu.py

test-fast: $(VENV)/.dev
	$(WITH_ARGS) -m pytest --numprocesses 2 tests/unit tests/architecture

lint: $(VENV)/.dev
	"$$VENV/bin/ruff" format --check .
	"$$VENV/bin/ruff" check .
	"$$VENV/bin/mypy"

ui: $(VENV)/.run
	@"$$VENV/bin/python" scripts/free_port.py PORT
	@"$$VENV/bin/python" scripts/latest_study.py
	"$$VENV/bin/mlflow" ui --backend-store-uri sqlite:///sweeps/mlflow.db --host 127.0.0.1 --port "$$PORT"

reproduce: $(VENV)/.run
	$(WITH_ARGS) scripts/reproduce.py

docs: $(VENV)/.docs
	"$$VENV/bin/mkdocs" build --strict --quiet

dashboard: $(VENV)/.dashboard
	@"$$VENV/bin/python" scripts/free_port.py DASHBOARD_PORT
	@exec "$$VENV/bin/python" scripts/dashboard.py

clean:
	rm -rf -- "$$VENV" dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	"$$PYTHON" -m venv "$$VENV"

$(VENV)/.run: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch "$$VENV/.run"

$(VENV)/.dashboard: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[dashboard]'
	touch "$$VENV/.dashboard" "$$VENV/.run"

$(VENV)/.docs: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[docs]'
	touch "$$VENV/.docs" "$$VENV/.run"

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[dev]'
	touch "$$VENV/.dev" "$$VENV/.run"
