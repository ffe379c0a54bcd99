# Two commands on a fresh machine with Python 3.11+ and make: `make tables` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONUTF8 := 1
CORES ?= all

.PHONY: help tables env test lint format bench ui schemas lock campaign fuzz soak coverage golden compare mutants parser report release \
  pictures clean

help:
	@echo "make tables    environment from the lock file, then the demo suite to its tables"
	@echo "make test      environment with the test extras, then lint and the whole test suite"
	@echo "make env       the environment alone, in .venv"
	@echo "make report    figures and evidence pages of the suite in params/config.yaml"
	@echo "make ui        MLflow over the project's runs, on http://127.0.0.1:5000"
	@echo "make bench     speed and memory against the physical limit, and the peers in PEERS=DIR; LARGE=1 adds Large's size"
	@echo "make lint      ruff, mypy, import-linter, snakefmt, snakemake --lint"
	@echo "make campaign  the long fault campaign: 200 kills, 200 power cuts"
	@echo "make parser    the part parser, from its rendered world to its weights: minutes"
	@echo "make soak      an hour of kills, full disks and trackers that come and go; MINUTES=1 for less"
	@echo "make coverage  the lines that the tests reach, without the ones of tests/e2e"
	@echo "make golden    what small trainings give now against what was written down; WRITE=1 writes it anew"
	@echo "make compare BASE=COMMIT  the first 20 steps and the scores of that commit against the working tree's"
	@echo "make mutants   wrong code on purpose: every mutant must fail a test; LISTS=evaluator for one list"
	@echo "make pictures  README's and the pages' pictures made anew, from the demo suite"
	@echo "make release   what a release needs, checked; nothing is published"
	@echo "make fuzz      broken lists, images, archives, parameters, weights into every reader, for MINUTES=30"

tables: env
	snakemake all_tables --cores $(CORES)

report: env
	snakemake all --cores $(CORES)

env: $(VENV)/.installed

test: $(VENV)/.installed-test lint
	pytest

lint: $(VENV)/.installed-test
	ruff check .
	ruff format --check .
	mypy svrn
	lint-imports
	snakefmt --check Snakefile workflow
	snakemake --lint

format: $(VENV)/.installed-test
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

bench: env
	$(BIN)/python -m benchmarks $(addprefix --peers ,$(PEERS)) $(if $(LARGE),--large)

ui: env
	svrn track ui

# The committed parser's key is that of the same parameters, images and masks: what this makes stands beside it.
parser: env
	svrn data manifest parsing --out data/parsing/manifest.parquet
	svrn data annotate parsing
	svrn parser train parsing

campaign: $(VENV)/.installed-test
	pytest -m campaign -n 0

fuzz: $(VENV)/.installed-test
	$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),30) $(addprefix --target ,$(TARGETS))

soak: $(VENV)/.installed-test
	$(BIN)/python tests/e2e/soak.py --minutes $(or $(MINUTES),60)

coverage: $(VENV)/.installed-test
	coverage erase
	coverage run -m pytest --ignore tests/e2e --ignore tests/workflow
	coverage combine -q
	coverage report

golden: $(VENV)/.installed-test
	$(BIN)/python tests/golden/golden.py $(if $(WRITE),--write)

compare: $(VENV)/.installed
	@$(BIN)/python tools/compare.py $(or $(BASE),$(error say which commit: make compare BASE=main)) $(addprefix --suite ,$(SUITE))

mutants: $(VENV)/.installed-test
	$(BIN)/python tools/mutants.py $(LISTS)

# The demo suite's report, photographed, and the contact sheet: minutes once the suite is made. Needs Chromium.
pictures: report $(VENV)/.installed-test
	$(BIN)/python tools/report_pictures.py
	$(BIN)/python -m svrn.data.synthetic.contact_sheet docs/img/embedded-contact-sheet.jpg

release: $(VENV)/.installed-test
	$(BIN)/python tools/release.py

schemas: env
	$(BIN)/python -m svrn.config.generate

lock:
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command "make lock" --extra all --extra test pyproject.toml -o requirements-test.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command "make lock" -c requirements-test.lock --extra all pyproject.toml -o requirements.lock
	$(PYTHON) tools/environment_file.py

clean:
	rm -rf $(VENV) build *.egg-info

# The environment is rebuilt when its lock file changes, never otherwise.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 14) else \
	  "$(PYTHON) is Python " + sys.version.split()[0] + ": Python 3.11, 3.12 or 3.13 is needed; say make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/.made
	@echo "installing the locked environment into $(VENV) (about 6 GB with PyTorch's CUDA libraries; minutes)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-test: requirements-test.lock $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.lock
	@touch $@
