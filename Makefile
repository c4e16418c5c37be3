# make help lists what there is. Every target sets up what it needs.
.DEFAULT_GOAL := help
.PHONY: help setup dev demo test lint docs check wheel first-minute fix range bench test-integrations lock clean

PY := .venv/bin/python
# Figures, servers and devices have targets of their own.
MARKS := not online and not integration and not gpu and not range
T :=

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-18s %s\n", $$1, $$2}'

setup:
	@bash scripts/setup

dev: setup ## make or refresh .venv

demo: setup ## a small project from real data, its lifecycle, attacks on it, one page
	@.venv/bin/hauberk try

test: setup ## run the tests; T=tests/core runs a part
	@bash scripts/run_tests -m "$(MARKS)" $(T)

lint: setup ## formatting, rules, types and layers
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports
	@$(PY) scripts/generate_docs.py --check

wheel: setup ## build the wheel once, try it where nothing else is, measure sizes and starts
	@bash scripts/check_wheel

first-minute: setup ## what a stranger meets: install the wheel afresh, first commands, each line read
	@rm -rf dist && $(PY) -m build --wheel --no-isolation --outdir dist . >/dev/null
	@sed -nE 's/^([A-Za-z0-9._-]+==[^ ]+) \\$$/\1/p' requirements/lock.txt >dist/constraints.txt
	@$(PY) scripts/first_minute.py dist/hauberk-*.whl --constraints dist/constraints.txt

check: lint wheel test ## all that CI does

fix: setup ## format, mend what can be mended, write generated pages again
	@$(PY) -m ruff check --fix --quiet . || true
	@$(PY) -m ruff format .
	@$(PY) scripts/generate_docs.py

range: setup ## attack the controls and write the measured figures
	@.venv/bin/hauberk range

bench: setup ## how fast the command starts, and every file in benchmarks/
	@$(PY) scripts/measure_start.py
	@for file in benchmarks/*.py; do echo "== $$file"; $(PY) "$$file" || exit 1; done

test-integrations: setup ## tests that need servers or stacks of their own
	@bash scripts/setup_integrations
	@$(PY) -m pytest -m integration $(T)

lock: ## resolve requirements/lock.txt again, leaving out releases younger than a week
	@test -x .venv-lock/bin/pip-compile || { $${PYTHON:-python3} -m venv .venv-lock && .venv-lock/bin/pip install --quiet 'pip>=26' pip-tools; }
	@.venv-lock/bin/python scripts/lock.py

clean: ## remove what the targets made
	rm -rf .venv .venv-lock .venv-wheel dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
