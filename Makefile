# Every target does its own set-up, in .venv, from requirements.lock: a fresh clone needs Python 3.11 or newer, git and make.
#   make demo     audit, fix and prove an emulated AWS estate on this machine, then judge the outcome; SIZE=40: a fleet
#   make test     the suite's own tests          make test ARGS="-k trigger -x"
#   make thorough what make test leaves out: policies with IAM enforced, a whole rollback, limits, fleets, backfills
#   make scale    200 forwarders through their rings: undisturbed, and where one breaks, the run stops and is resumed
#   make chaos    every fault at every write of a fix and of its rollback, then on: half an hour, and prints the table
#   make lint     ruff, mypy, and that the generated pages are up to date
#   make bench    what an audit costs, as ratios
#   make docs     write the generated pages anew
#   make lock     resolve requirements.lock anew
#   make clean    remove everything these targets made
# Another interpreter: PYTHON=python3.13 make test. Written for GNU make 3.81 (macOS) and a POSIX shell.

PYTHON ?= python3
ARGS ?=
VENV := .venv
RUN := $(VENV)/bin/python -m
PIP_QUIET := --quiet --quiet --disable-pip-version-check --no-input

# The stamps carry the interpreter's version, so that another PYTHON makes another environment.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
LOCKED := $(VENV)/.locked-$(VERSION)
READY := $(VENV)/.ready-$(VERSION)

DEMO_REGIONS := us-east-1,eu-west-1
REPORT := report.html
# Minutes on two cores, and each about one thing that changes seldom: `make test` stays below five minutes without them.
THOROUGH := tests/test_backfill_policy_sandbox.py tests/test_chaos.py tests/test_delivery_hub_end_to_end.py \
  tests/test_end_to_end_approved.py tests/test_end_to_end_change_sets.py \
  tests/test_end_to_end_failures.py tests/test_end_to_end_limits.py tests/test_evidence_end_to_end.py \
  tests/test_external_id.py tests/test_history_end_to_end.py tests/test_interrupt.py \
  tests/test_ledger_end_to_end.py tests/test_nightly_end_to_end.py tests/test_permission_end_to_end.py \
  tests/test_permission_undo.py tests/test_policy_fix_sandbox.py tests/test_policy_sandbox.py \
  tests/test_resume.py tests/test_resume_waivers.py tests/test_roll_back_end_to_end.py \
  tests/test_rotation_end_to_end.py tests/test_shard_merge.py tests/test_shard_waivers.py \
  tests/test_workers_die.py
# The longest of them, which a push does not wait for: .ci/run leaves them out.
LONG := tests/test_backfill_end_to_end.py tests/test_end_to_end_fleet.py tests/test_end_to_end_triggers.py \
  tests/test_other_engines.py
# 200 forwarders through their rings, once undisturbed and once stopped by the tenth: four minutes each, alone.
SCALE := tests/test_end_to_end_rings.py tests/test_end_to_end_scale.py

.PHONY: help setup demo test thorough scale chaos lint bench docs lock clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

setup: $(READY)

$(LOCKED): requirements.lock
	@$(PYTHON) -c 'import sys' 2>/dev/null || { echo "make: $(PYTHON) was not found: install Python 3.11 or newer, or say which one: PYTHON=/path/to/python3 make $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is Python $(VERSION), too old: say which Python 3.11 or newer to use: PYTHON=python3.13 make $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: $(PYTHON) has no venv module: install it (Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Setting up $(VENV) with Python $(VERSION) (once, about a minute) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(RUN) pip install $(PIP_QUIET) --require-hashes -r requirements.lock
	@touch $@

$(READY): $(LOCKED) pyproject.toml
	@$(RUN) pip install $(PIP_QUIET) --no-deps --no-build-isolation -e .
	@touch $@

# The run itself ends with 1, since the estate also holds forwarders that no program should migrate: the judge knows which.
demo: $(READY)
	@$(RUN) pytest --sandbox --regions=$(DEMO_REGIONS) $(SIZE:%=--sandbox-size=%) --fix --html=$(REPORT) --self-contained-html $(ARGS); code=$$?; \
	  case $$code in 0|1|10|11) ;; *) exit $$code ;; esac; \
	  $(RUN) fixtures.sandbox.demo "$$(ls -d forwarder-runs/*/ | tail -n 1)results.jsonl" --regions=$(DEMO_REGIONS) $(SIZE:%=--size=%) --report=$(REPORT)

test: $(READY)
	@$(RUN) pytest tests -n 3 --dist loadfile $(THOROUGH:%=--ignore=%) $(LONG:%=--ignore=%) $(SCALE:%=--ignore=%) $(ARGS)

thorough: $(READY)
	@$(RUN) pytest $(THOROUGH) $(LONG) -n 2 --dist loadfile $(ARGS)

scale: $(READY)
	@$(RUN) pytest $(SCALE) $(ARGS)

chaos: $(READY)
	@$(RUN) tests.chaos $(ARGS)

lint: $(READY)
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(VENV)/bin/taegis-forwarders catalogue | diff -u docs/checks.md - || { echo "make: docs/checks.md is stale: make docs" >&2; exit 1; }
	@$(VENV)/bin/taegis-forwarders options | diff -u docs/options.md - || { echo "make: docs/options.md is stale: make docs" >&2; exit 1; }
	@$(VENV)/bin/taegis-forwarders permissions | diff -u docs/permissions.md - || { echo "make: docs/permissions.md is stale: make docs" >&2; exit 1; }

bench: $(READY)
	@$(RUN) benchmarks $(ARGS)
	@$(RUN) benchmarks.page
	@$(RUN) benchmarks.exports

docs: $(READY)
	@$(VENV)/bin/taegis-forwarders catalogue > docs/checks.md
	@$(VENV)/bin/taegis-forwarders options > docs/options.md
	@$(VENV)/bin/taegis-forwarders permissions > docs/permissions.md

# uv resolves for every platform and Python >= 3.11 at once. The file names no index: hashes hold whatever mirror serves the files.
lock: $(READY)
	@$(RUN) uv pip compile pyproject.toml --universal --python-version 3.11 --extra ocsf --extra sandbox --group dev --upgrade --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --quiet --output-file $(VENV)/requirements.lock
	@# an unchanged file keeps its time, so that nothing is set up anew
	@cmp -s $(VENV)/requirements.lock requirements.lock || cp $(VENV)/requirements.lock requirements.lock

clean:
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache forwarder-runs $(REPORT) report.html
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
