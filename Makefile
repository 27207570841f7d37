# `make test` and `make demo` each work as the first and only command on a fresh clone:
# they need Python 3.11 or newer with pip, and nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_SYSTEM := $(VENV)/.ready-system
CONSTRAINTS := constraints.txt
# One more than the cores: tests also wait, for servers and for processes that they start.
WORKERS ?= 3
# Tests start hundreds of processes: each would compile the package again.
export PYTHONDONTWRITEBYTECODE :=
READY_DOCS := $(VENV)/.ready-docs
READY_BENCH := $(VENV)/.ready-bench
READY_MUTATION := $(VENV)/.ready-mutation
READY_RELEASE := $(VENV)/.ready-release
# How many processes of `make mutate` run tests.
JOBS ?= 2
# What `make smoke` combines: interpreters (names or paths) and versions of Airflow.
PYTHONS ?= 3.11 3.12 3.13
AIRFLOWS ?= 3.3.0 3.3.1 3.3.2

.PHONY: help test lint types unit test-long test-system test-lowest fuzz chaos mutate bench demo up docs smoke newcomer \
	release-check constraints clean

help:
	@echo "make test         lint, types and tests (7 to 9 minutes on 2 cores, after the installation)"
	@echo "make test-long    exhaustive and long tests (half an hour)"
	@echo "make test-system  tests in a real Airflow with PostgreSQL, Redis and Chromium, which are installed where missing:"
	@echo "                  kills, thousands of sensors, webhooks, the example Dags under two executors (half an hour)"
	@echo "make fuzz         50,000 random responses through all endpoints, different ones each time (ten minutes)"
	@echo "make bench        measures us beside our peers and writes the figures to docs/figures (50 minutes on 2 quiet cores);"
	@echo "                  ONLY=\"sends polls\" measures these alone"
	@echo "make chaos        thousands of kills, faults and random events, with a checker that reads what the simulated"
	@echo "                  vendors did; prints JSON lines (an hour on 2 cores); CHAOS='--seed 7.17 --only kills.promo'"
	@echo "make mutate       mutation tests of the code that decides about money and secrets; writes the figures to docs/figures;"
	@echo "                  MODULE=journal mutates this alone"
	@echo "make demo         an SMS campaign from recipients to delivery report, in Airflow, with the simulator"
	@echo "make up           Airflow in the browser, with the simulator, the example Dags and your own in dags/"
	@echo "make docs         the documentation site, in build/docs/html; a warning or a broken link is an error"
	@echo "make smoke        the wheel in fresh environments, with PYTHONS and AIRFLOWS: all modules, a Dag, the fixture"
	@echo "make test-lowest  the tests with the lowest allowed versions of the dependencies"
	@echo "make newcomer     runs the commands of docs/howto/first-sms.md in a fresh environment"
	@echo "make release-check  builds wheel and sdist, checks them, and runs the smoke test with both"
	@echo "make clean        removes what the other targets made"
	@echo "Each target installs what it needs into $(VENV) first."

$(READY): pyproject.toml $(CONSTRAINTS)
	@echo "Setting up $(VENV) (a minute or two, once) ..."
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version) if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable '.[dev]'
	@$(BIN)/python -m pip check --disable-pip-version-check > /dev/null
	@touch $@

# mypy needs one core for a few seconds, beside the tests; what it found is shown below theirs.
test: lint
	@mkdir -p build
	@$(BIN)/mypy > build/types.txt 2>&1 & types=$$!; \
	$(MAKE) --no-print-directory unit; unit=$$?; \
	wait $$types; types=$$?; cat build/types.txt; exit $$((unit | types))

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadgroup

test-long: $(READY)
	$(BIN)/pytest -m 'long and not system' --numprocesses $(WORKERS) --dist loadgroup --durations 10

test-system: $(READY_SYSTEM)
	scripts/install_services.sh
	$(BIN)/pytest -m system --durations 0 --durations-min 5

$(READY_SYSTEM): $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable '.[dev,system]'
	@touch $@

# uv picks the lowest versions of the direct dependencies that fit together; all others are the newest.
test-lowest: $(READY_RELEASE)
	@mkdir -p build
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --python $(BIN)/python --extra parquet --extra xlsx \
		--no-header --annotation-style line pyproject.toml | grep '(pyproject.toml' > build/lowest.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/lowest
	$(BIN)/uv pip install --quiet --python build/lowest/bin/python --constraint build/lowest.txt --editable '.[dev]'
	build/lowest/bin/pytest --numprocesses $(WORKERS) --dist loadgroup

fuzz: $(READY)
	TELECOM_FUZZ_ANSWERS=50000 $(BIN)/pytest tests/fuzz

chaos: $(READY_SYSTEM)
	scripts/install_services.sh
	@$(BIN)/python -m tests.chaos $(CHAOS)

# `make mutate MODULE=journal`, `make mutate OPTIONS="--sample 30 --seed 1"`; see docs/mutation.md.
mutate: $(READY_MUTATION)
	@$(BIN)/python -m mutation $(MODULE) --jobs $(JOBS) $(OPTIONS); judged=$$?; \
	$(BIN)/python benchmarks/tables.py; exit $$judged

$(READY_MUTATION): $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable '.[dev,mutation]'
	@touch $@

# `make bench ONLY="sends polls:cpu"` measures these alone.
bench: $(READY_BENCH)
	scripts/install_services.sh
	@$(BIN)/python benchmarks/run.py $(ONLY); measured=$$?; $(BIN)/python benchmarks/tables.py; exit $$measured

$(READY_BENCH): $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable '.[dev,bench]'
	@touch $@

demo: $(READY)
	@$(BIN)/python scripts/demo.py

up: $(READY)
	@$(BIN)/python scripts/up.py

$(READY_DOCS): $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable '.[dev,docs]'
	@touch $@

$(READY_RELEASE): $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable '.[dev,release]'
	@touch $@

docs: $(READY_DOCS)
	@$(BIN)/python scripts/docs.py

smoke: $(READY_RELEASE)
	@$(BIN)/python scripts/release.py smoke --pythons $(PYTHONS) --airflows $(AIRFLOWS)

newcomer: $(READY_RELEASE)
	@$(BIN)/python scripts/release.py newcomer

release-check: $(READY_RELEASE)
	@$(BIN)/python scripts/release.py check

constraints: $(READY_SYSTEM) $(READY_DOCS) $(READY_RELEASE) $(READY_BENCH) $(READY_MUTATION)
	$(BIN)/python -m pip freeze --exclude-editable | grep '==' | LC_ALL=C sort --ignore-case > $(CONSTRAINTS)

clean:
	rm -rf $(VENV) build dist .demo .up .mypy_cache .ruff_cache .pytest_cache .hypothesis
