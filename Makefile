# Two commands do all set-up on a machine that has Python 3.11+ and make: `make run`, `make test`.
# Nothing is installed outside this folder: .venv and .emulator-venv hold the two environments,
# .bench-venv, .audit-venv, .docs-venv and .pgadmin-venv those of `make bench`, `make audit`, `make docs`
# and `etl pgadmin`, .interpreters-venv and .interpreters-node those of `make interpreters`, .connect-venv that of `make slow`, .build the layers (zipped and unpacked), the zips and the site, .local the laptop's database and logs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Twice quiet: a machine's own pip configuration may warn about places we do not use.
PIP_FLAGS := --quiet --quiet --disable-pip-version-check --require-hashes
UV ?= uv
# Lambda's Python runtimes bring these; a second copy in a layer would only take room.
RUNTIME_HAS := boto3 botocore s3transfer urllib3 python-dateutil six

.DEFAULT_GOAL := help
# Images of Python for containers forbid it to keep what it has compiled: each of the suites' many
# processes would compile the whole project again.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help run test slow chaos interpreters bench browser pgadmin lab notebooks docs docs-serve \
	editor reference lint audit format lock clean

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run .emulator-venv/.done .build/.done  ## The whole pipeline, end to end, on this machine
	@"$(BIN)/etl" demo

test: $(VENV)/.test .emulator-venv/.done .build/.done  ## The test suite, three files at a time
	@# Three, as each waits for servers a third of its time. In the order of collection, which has the
	@# long files of few tests, end to end, at the beginning.
	@"$(BIN)/python" -m tests.second_try -n 3 --dist loadfile --no-loadscope-reorder

slow: $(VENV)/.browser .emulator-venv/.done .build/.done .build/.lambda .bench-venv/.done .audit-venv/.done .pgadmin-venv/.done .interpreters-venv/.done .connect-venv/.done interpreters-node chromium  ## The slower suites: real data, chaos, full property runs
	@# Chaos beside the others, in one process: what its rounds broke is reported together, in chaos.json.
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target slow-chaos slow-others

.PHONY: slow-chaos slow-others
# A commit's own random examples: each commit tries others, and one that has passed passes again.
slow-chaos slow-others: NUMBER := $(or $(SEED),$(shell printf %d 0x$$(git rev-parse --short=7 HEAD 2>/dev/null || echo 0)))
slow-chaos:
	@CHAOS_SEED="$(NUMBER)" "$(BIN)/python" -m pytest tests/chaos -m slow --timeout 1500
slow-others:
	@echo "==> make slow SEED=$(NUMBER) repeats the random examples of this run"
	@HYPOTHESIS_PROFILE=ci SEED="$(NUMBER)" "$(BIN)/python" -m tests.second_try -n 2 --dist loadfile --no-loadscope-reorder -m slow --hypothesis-seed "$(NUMBER)" --timeout 1500 --ignore tests/chaos

chaos: $(VENV)/.test .emulator-venv/.done .build/.done  ## Faults by the thousand: FAULTS=5000, SEED=7 repeats a run's plans
	@CHAOS_FAULTS="$(FAULTS)" CHAOS_SEED="$(SEED)" "$(BIN)/python" -m pytest tests/chaos -m slow -s

interpreters: $(VENV)/.test .emulator-venv/.done .build/.done .interpreters-venv/.done interpreters-node  ## The state machine in two more interpreters
	@"$(BIN)/python" -m pytest tests/interpreters -m slow --timeout 900

# Node.js is not ours to install: without it those tests skip, saying so.
.PHONY: interpreters-node
interpreters-node:
	@! command -v npm >/dev/null || $(MAKE) --no-print-directory .interpreters-node/.done

browser: $(VENV)/.browser .emulator-venv/.done .build/.done .pgadmin-venv/.done chromium  ## The web pages, in a real browser
	@"$(BIN)/python" -m pytest tests/browser -m browser --timeout 600

# Debian's package, where one may install it; elsewhere the tests skip, saying so.
.PHONY: chromium
chromium:
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0; \
	  echo "==> Installing chromium for the browser tests"; \
	  apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
	    apt-get -qq install -y --no-install-recommends chromium fonts-dejavu-core >/dev/null; }

bench: $(VENV)/.test .emulator-venv/.done .build/.done .bench-venv/.done  ## Everything against its neighbours, into docs/performance.md
	@PYTHONPATH=".:layers/shared" TEST_PYTHON="$(BIN)/python" .bench-venv/bin/python -m bench.run

pgadmin: $(VENV)/.run  ## pgAdmin 4 on the database that `etl up` started
	@"$(BIN)/etl" pgadmin

lab: $(VENV)/.lab .emulator-venv/.done .build/.done  ## JupyterLab with the notebooks
	@# JupyterLab shows pictures of a notebook it doesn't know only once it is trusted; nothing runs.
	@"$(BIN)/jupyter" trust notebooks/*.ipynb
	@# Root is who one is in most containers, and the rest of the project does not mind.
	@"$(BIN)/jupyter" lab --ServerApp.ip=127.0.0.1 $$([ "$$(id -u)" != 0 ] || echo --allow-root) notebooks

notebooks: $(VENV)/.test .emulator-venv/.done .build/.done  ## Execute the notebooks and keep what they show
	@"$(BIN)/python" -m tests.end_to_end.notebooks

docs: .docs-venv/.done  ## The documentation as a site in .build/site, every link checked
	@.docs-venv/bin/python docs/_site/build.py

docs-serve: docs  ## The site at http://127.0.0.1:8000 (PORT=8001 for another port)
	@.docs-venv/bin/python -m http.server --bind 127.0.0.1 --directory .build/site $(PORT)

editor:  ## Bundle the playground's editor again (needs Node.js 20 or newer)
	@cd dashboard/editor && npm ci --ignore-scripts --no-audit --no-fund --silent && npm run --silent build

reference: $(VENV)/.run  ## Write the pages that are generated from the code anew
	@"$(BIN)/python" -m etl.reference

lint: $(VENV)/.test  ## Style, types, which package imports which, words to avoid
	@"$(BIN)/ruff" check . && "$(BIN)/ruff" format --check . && "$(BIN)/mypy" layers/shared/telemetry functions workflow infrastructure etl local dashboard audit layers/*.py && "$(BIN)/lint-imports" --no-cache && "$(BIN)/python" -m audit.words

audit: $(VENV)/.run .audit-venv/.done  ## Templates, permissions, dependencies, secrets: what can be checked here
	@"$(BIN)/python" -m audit.templates .build/audit
	@.audit-venv/bin/python -m audit

format: $(VENV)/.test  ## Format the code
	@"$(BIN)/ruff" format . && "$(BIN)/ruff" check --fix .

lock:  ## Pin every requirement anew, with hashes (needs uv)
	@for name in test run notebooks emulator docs audit interpreters connect; do \
	  $(UV) pip compile -q --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	    --custom-compile-command "make lock" \
	    $$(case $$name in run|notebooks) echo "-c requirements/test.txt";; connect) echo --no-strip-extras;; esac) \
	    requirements/$$name.in -o requirements/$$name.txt || exit 1; done
	@$(UV) pip compile -q --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	    --custom-compile-command "make lock" -c requirements/test.txt \
	    requirements/browser.in -o requirements/browser.txt
	@for name in pgadmin pgadmin-build; do \
	  $(UV) pip compile -q --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	    --custom-compile-command "make lock" \
	    $$([ $$name = pgadmin-build ] && echo "-c requirements/pgadmin.txt") \
	    requirements/$$name.in -o requirements/$$name.txt || exit 1; done
	@for layer in shared polars postgres formats; do \
	  $(UV) pip compile -q --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	    --custom-compile-command "make lock" -c requirements/test.txt \
	    $$([ $$layer = shared ] && printf -- '--no-emit-package %s ' $(RUNTIME_HAS)) \
	    layers/$$layer/requirements.in -o layers/$$layer/requirements.txt || exit 1; done
	@$(UV) pip compile -q --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	    --custom-compile-command "make lock" \
	    -c layers/shared/requirements.txt -c layers/polars/requirements.txt \
	    -c layers/postgres/requirements.txt requirements/bench.in -o requirements/bench.txt
	@cd tests/interpreters/node && npm install --package-lock-only --omit-lockfile-registry-resolved \
	    --ignore-scripts --no-audit --no-fund --loglevel error

clean:  ## Remove everything this Makefile and `etl` made in this folder
	@rm -rf dashboard/editor/node_modules .venv .emulator-venv .bench-venv .audit-venv .docs-venv .pgadmin-venv .interpreters-venv .interpreters-node .connect-venv .build .local *.egg-info

# Each stamp is newer than what it was made from, so a changed lock file is installed again.
$(VENV)/pyvenv.cfg:
	@echo "==> Creating the Python environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.x")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/pyvenv.cfg requirements/run.txt pyproject.toml
	@echo "==> Installing what etl needs (about a minute the first time)"
	@"$(BIN)/python" -m pip install $(PIP_FLAGS) -r requirements/run.txt
	@"$(BIN)/python" -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt
	@echo "==> Installing what the tests need"
	@"$(BIN)/python" -m pip install $(PIP_FLAGS) -r requirements/test.txt
	@touch $@

$(VENV)/.browser: $(VENV)/.test requirements/browser.txt
	@echo "==> Installing what drives a browser"
	@"$(BIN)/python" -m pip install $(PIP_FLAGS) -r requirements/browser.txt
	@touch $@

$(VENV)/.lab: $(VENV)/.run requirements/notebooks.txt
	@echo "==> Installing JupyterLab and what the charts need"
	@"$(BIN)/python" -m pip install $(PIP_FLAGS) -r requirements/notebooks.txt
	@touch $@

.emulator-venv/.done: requirements/emulator.txt
	@echo "==> Creating the AWS emulator's own environment in .emulator-venv"
	@$(PYTHON) -m venv .emulator-venv
	@.emulator-venv/bin/python -m pip install $(PIP_FLAGS) -r requirements/emulator.txt
	@touch $@

.audit-venv/.done: requirements/audit.txt
	@echo "==> Installing what the audit needs in .audit-venv (minutes the first time)"
	@$(PYTHON) -m venv .audit-venv
	@.audit-venv/bin/python -m pip install $(PIP_FLAGS) -r requirements/audit.txt
	@touch $@

.interpreters-venv/.done: requirements/interpreters.txt
	@echo "==> Installing another interpreter of state machines in .interpreters-venv"
	@$(PYTHON) -m venv .interpreters-venv
	@.interpreters-venv/bin/python -m pip install $(PIP_FLAGS) -r requirements/interpreters.txt
	@touch $@

.connect-venv/.done: requirements/connect.txt
	@echo "==> Installing dbt and the models of Grafana's schema in .connect-venv"
	@$(PYTHON) -m venv .connect-venv
	@.connect-venv/bin/python -m pip install $(PIP_FLAGS) -r requirements/connect.txt
	@touch $@

.interpreters-node/.done: tests/interpreters/node/package.json tests/interpreters/node/package-lock.json
	@echo "==> Installing another interpreter of state machines, for Node.js, in .interpreters-node"
	@mkdir -p .interpreters-node
	@cp tests/interpreters/node/package.json tests/interpreters/node/package-lock.json .interpreters-node
	@cd .interpreters-node && npm ci --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

.bench-venv/.done: requirements/bench.txt
	@echo "==> Creating the bench's own environment in .bench-venv"
	@$(PYTHON) -m venv .bench-venv
	@.bench-venv/bin/python -m pip install $(PIP_FLAGS) -r requirements/bench.txt
	@touch $@

# Wheels alone, so that no compiler is needed, but for two requirements that come as sources of pure
# Python. What builds those is pinned too.
.pgadmin-venv/.done: requirements/pgadmin.txt requirements/pgadmin-build.txt
	@echo "==> Installing pgAdmin 4 in .pgadmin-venv (600 MB, one to three minutes)"
	@$(PYTHON) -m venv .pgadmin-venv
	@.pgadmin-venv/bin/python -m pip install $(PIP_FLAGS) -r requirements/pgadmin-build.txt
	@.pgadmin-venv/bin/python -m pip install $(PIP_FLAGS) --no-build-isolation --only-binary :all: \
	    --no-binary flask-principal,jsonformatter -r requirements/pgadmin.txt
	@touch $@

.docs-venv/.done: requirements/docs.txt
	@echo "==> Creating the documentation's own environment in .docs-venv"
	@$(PYTHON) -m venv .docs-venv
	@.docs-venv/bin/python -m pip install $(PIP_FLAGS) -r requirements/docs.txt
	@touch $@

# Wheels are fetched here, so that neither the tests nor a later run needs the network.
.build/.done: layers/shared/requirements.txt layers/polars/requirements.txt layers/postgres/requirements.txt | $(VENV)/.run
	@echo "==> Building the Lambda layers"
	@"$(BIN)/python" -m layers.build --host
	@touch $@

.build/.lambda: .build/.done
	@echo "==> Building the Lambda layers for AWS (Python 3.13, arm64)"
	@"$(BIN)/python" -m layers.build
	@touch $@
