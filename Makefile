# Each target first makes what it depends on: the environment once, the sample once per SCALE.
#
#   make dump load                                the sample shop into the embedded server
#   make dump load SETTINGS=mysite.settings PYTHONPATH=/path/to/site TARGET=mysql://user@host/name
#
# A TARGET or SOURCE with a password in it is better set in the environment (FIXTUREPIPE_TARGET,
# FIXTUREPIPE_SOURCE): the shell's history and the list of processes show a command line to others.

VENV    ?= .venv
PYTHON  ?=
# A version such as 4.2, for the tests: the environment has that Django and no linters.
DJANGO  ?=
ARGS    ?=
WORKDIR ?=
# The command line reads it from there too; the sample's settings must not override it.
SETTINGS ?= $(FIXTUREPIPE_SETTINGS)

# ---- the sample

sample_db := $(or $(BOOKSHOP_DB),samples/bookshop/bookshop.sqlite3)

# ---- which project

# make imports a PYTHONPATH from the environment as a variable. Only one on make's own command line
# is the project's directory.
ifneq ($(SETTINGS),)
  settings := $(SETTINGS)
  pythonpath := $(if $(filter command line,$(origin PYTHONPATH)),$(PYTHONPATH))
  data :=
else
  settings := bookshop.settings
  pythonpath := samples/bookshop
  data := sample-if-needed
endif

# URLs may hold a password, so they are passed in the environment. `value` keeps a `$` as it is.
ifneq ($(origin SOURCE),undefined)
  export FIXTUREPIPE_SOURCE := $(value SOURCE)
endif
ifneq ($(origin TARGET),undefined)
  export FIXTUREPIPE_TARGET := $(value TARGET)
endif

python := $(VENV)/bin/python
fixturepipe = $(python) -m fixturepipe --settings '$(settings)' \
  $(if $(pythonpath),--pythonpath '$(pythonpath)') $(if $(WORKDIR),--workdir '$(WORKDIR)')

# Stamps, so that a second run installs nothing.
ready := $(VENV)/.ready
ready-dev := $(VENV)/.ready-dev
installer := pyproject.toml scripts/setup.sh

.DEFAULT_GOAL := help
# The stages are steps of one migration: -j must not run them in parallel.
.NOTPARALLEL:
.PHONY: help setup setup-dev sample sample-if-needed check dump arrange load verify sync run status inspect report server test lint docs package bench pictures clean

help: ## show this list
	@echo 'fixturepipe moves a Django project'\''s data from SQLite to MySQL. Try: make dump load'
	@echo
	@sed -n 's/^\([a-z]*\):.*## /  \1@/p' $(firstword $(MAKEFILE_LIST)) | \
	  while IFS=@ read -r name words; do printf '  %-9s %s\n' $$name "$$words"; done
	@echo
	@echo 'Variables: SETTINGS, PYTHONPATH, SOURCE, TARGET, WORKDIR, ARGS (more options for the command),'
	@echo '           SCALE (size of the sample), WHAT (bench compares), VENV (default .venv), PYTHON (for it)'

setup: $(ready) ## install what is missing: system packages, the environment in .venv
	@echo '==> $(VENV) is ready'

$(ready): $(installer)
	@echo '==> setup: the environment $(VENV), on the first run and when pyproject.toml changed'
	@PYTHON='$(PYTHON)' scripts/setup.sh '$(VENV)'
	@touch $@

$(ready-dev): $(installer)
	@echo '==> setup: the environment $(VENV) with the tools of test and lint'
	@PYTHON='$(PYTHON)' DJANGO='$(DJANGO)' scripts/setup.sh --dev '$(VENV)'
	@touch $(ready) $@

# For editors and CI, which want the tools without running them.
setup-dev: $(ready-dev)

sample: $(ready) ## make the sample shop's SQLite file (SCALE=1: about 20,000 objects)
	@echo '==> sample: the bookshop at scale $(or $(SCALE),1), in $(sample_db)'
	@$(python) samples/bookshop/manage.py make_sample --settings bookshop.settings --scale '$(or $(SCALE),1)'

# Without SCALE an existing sample is kept, whatever its size and its changes.
sample-if-needed: $(ready)
	@$(if $(SCALE),,[ -e '$(sample_db)' ] ||) $(MAKE) --no-print-directory sample

check: $(ready) $(data) ## find what would fail or change, without writing anything
	@echo '==> check: reads the source and the target of $(settings)'
	@$(fixturepipe) check $(ARGS)

dump: $(ready) $(data) ## write each app's rows to 1-dump/<app>.json
	@echo '==> dump: the rows of $(settings), one file per app'
	@$(fixturepipe) dump $(ARGS)

arrange: $(ready) ## order and split the dumps into 2-chunks/
	@echo '==> arrange: the dumps, in the order of their dependencies, split into chunks'
	@$(fixturepipe) arrange $(ARGS)

load: $(ready) ## load the chunks that are not in the target yet (arranges first if needed)
	@echo '==> load: the chunks that the target does not hold yet'
	@$(fixturepipe) load $(ARGS)

verify: $(ready) ## compare source and target, row by row
	@echo '==> verify: source and target, row by row'
	@$(fixturepipe) verify $(ARGS)

sync: $(ready) ## bring the target to what the source holds now, after a run
	@echo '==> sync: what has changed in the source since the run or the last sync'
	@$(fixturepipe) sync $(ARGS)

run: $(ready) $(data) ## all stages: migrate the target, check, dump, arrange, load, verify
	@echo '==> run: migrate the target, check, dump, arrange, load, verify'
	@$(fixturepipe) run $(ARGS)

status: $(ready) ## show how far the run is and what comes next
	@echo '==> status: how far the run is'
	@$(fixturepipe) status $(ARGS)

inspect: $(ready) ## show what is in the dumps and chunks (ARGS='--model shop.product --pk 7')
	@echo '==> inspect: what is in the dumps and chunks'
	@$(fixturepipe) inspect $(ARGS)

report: $(ready) ## write one HTML page and report.json of the run
	@echo '==> report: the run as one page'
	@$(fixturepipe) report $(ARGS)

server: $(ready) ## show the embedded server (ACTION=start or stop)
	@echo '==> server: the embedded server'
	@$(fixturepipe) server $(or $(ACTION),status) $(ARGS)

# Each worker takes a part of the sorted tests, so that it seldom changes servers. ARGS override
# these options: -n0 runs the tests one by one.
test: $(ready-dev) ## run the tests, one process per core (ARGS=-n0: one by one; FIXTUREPIPE_TEST_SERVERS: more servers)
	@echo '==> test: pytest'
	@$(python) -m pytest -n auto --dist worksteal $(ARGS)

lint: $(ready-dev) ## ruff, mypy and the direction of imports
	@echo '==> lint: ruff, mypy, the structure of the package'
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(python) -m mypy
	@$(python) -m pytest -q tests/test_structure.py

docs: $(ready-dev) ## make the documentation a site in build/docs (a warning is an error)
	@echo '==> docs: build/docs/index.html'
	@$(python) -m sphinx -E -q -W --keep-going -d build/doctrees docs build/docs

package: $(ready-dev) ## build the sdist and the wheel in build/package, check and install them
	@echo '==> package: build/package'
	@scripts/package.sh '$(python)' build/package

bench: $(ready-dev) ## compare fixturepipe with the alternatives (SCALE=5; WHAT=run, load, scaling …)
	@echo '==> bench: $(or $(WHAT),run) at scale $(or $(SCALE),1), whole processes in turn'
	@$(python) -m bench --what '$(or $(WHAT),run)' $(if $(SCALE),--scale '$(SCALE)') $(ARGS)

pictures: $(ready-dev) ## the pictures of the sample's report in docs/images, by Chromium
	@echo '==> pictures: the report of the sample, on a desk and on a phone'
	@$(python) -m tests.report.screenshots

clean: $(ready) ## remove the run's files and its ledger, after asking
	@echo '==> clean: the run directory and the ledger'
	@$(fixturepipe) clean $(ARGS)
