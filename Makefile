# Two commands: `make run` and `make test`. Whatever takes more than a line is in tools/.

# The Python to build with; empty: the newest one on PATH that fits.
PYTHON ?=
# For `make test` and `make attack`: arguments for pytest and for the attack, such as ARGS='-k jail'.
ARGS ?=
# For `make test-replicas`: how many conversations.
CONVERSATIONS ?= 200
# For `make fuzz`: how many minutes.
MINUTES ?= 5
# For `make test-librechat`: a git checkout of LibreChat, and which of its tags or commits.
LIBRECHAT ?=
TAGS ?= v0.7.6 v0.7.7 v0.7.8 v0.7.9 v0.8.0 v0.8.1 v0.8.2 v0.8.3 v0.8.4 v0.8.5 v0.8.6-rc1 v0.8.6 v0.8.7-rc1 v0.8.7 v0.8.8-rc1
# For `make lock`: UPGRADE=1 takes the newest releases.
UPGRADE ?=
export PYTHON UPGRADE

.DEFAULT_GOAL := help
.PHONY: help install run screenshots test languages tools office test-replicas bench bench-quick bench-docs scaling lock run-daytona-emulator attack fuzz audit sbom doctor clean

help:  ## Show this
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 28

install: .venv/.installed  ## Install the service and the sandbox runtime, if anything changed
	@.venv/bin/python -I sandbox/install.py .sandbox

run: install  ## Start the service; creates an API key if ADAPTER_API_KEY is not set
	@exec .venv/bin/python -m app serve

test: .venv/.installed-dev  ## Check style, types and imports, and run all tests
	@tools/test_install.sh
	@tools/check.sh $(ARGS)

test-replicas: install .venv/.installed-dev  ## Test three replicas with 200 conversations while parts of them fail
	@tools/test_tools.sh
	@REPLICA_TEST_CONVERSATIONS=$(CONVERSATIONS) .venv/bin/pytest -q -s tests/replicas

test-clients: install .venv/.installed-dev  ## Run the same checks with every client on npm (4 min, the first time 7; ARGS='--only 3.9.2,1.8.8')
	@.venv/bin/python -m tests.clients $(ARGS)

test-librechat: install .venv/.installed-dev  ## Run LibreChat's own server code, release by release (LIBRECHAT=../LibreChat TAGS='v0.8.6 v0.8.7')
	@.venv/bin/python -m tests.librechat --checkout "$(LIBRECHAT)" --tags "$(TAGS)" $(ARGS)

faults: install .venv/.installed-dev  ## Inject every fault many times and check that nothing is lost (half an hour; ARGS='--kills 20 --most 2')
	@tools/test_tools.sh
	@.venv/bin/python -m tests.faults --write docs/reliability.md $(ARGS)

soak: install .venv/.installed-dev  ## Run a service for half an hour and check that it does not grow (ARGS='--minutes 1')
	@.venv/bin/python -m tests.faults.soak --write docs/reliability.md $(ARGS)

bench: install .venv/.installed-dev .cache/bench/.installed  ## Measure beside the rivals: table, JSON, chart (20 min; ARGS=--short: 5)
	@.venv/bin/python -m bench $(ARGS)

bench-quick: install .venv/.installed-dev  ## Measure only the performance targets (under a minute on a quiet machine)
	@.venv/bin/python -m bench --quick

screenshots: install .venv/.installed-dev  ## Update the screenshots of the operator's page
	@tools/test_tools.sh
	@CONSOLE_PICTURES=docs/images .venv/bin/pytest -q tests/console/test_pictures.py

bench-docs:  ## Write docs/performance.md from the last `make bench`
	@.venv/bin/python -m bench --document full

languages: install  ## Install the toolchains of all thirteen languages from Debian
	@tools/debian.sh languages
	@.venv/bin/python -I sandbox/install.py .sandbox

tools: install  ## Install the command-line tools of the sandbox: poppler, ImageMagick, tesseract and more, from Debian
	@tools/debian.sh tools

office: install  ## Install LibreOffice without a display from Debian (300 MB)
	@tools/debian.sh office

scaling: install .venv/.installed-dev  ## Measure what a run costs, simulate many users: docs/scaling.md (5 min)
	@tools/test_tools.sh
	@.venv/bin/python -m bench.scale

lock:  ## Update the lock files (UPGRADE=1: to the newest releases)
	@tools/lock.sh

run-daytona-emulator: install .venv/.installed-dev  ## Start an emulator of Daytona, and the service on it
	@exec .venv/bin/python -m devtools.daytona_emulator --with-service

attack: install  ## Run the attack suite against the sandbox (ARGS='--quick', ARGS='--url URL --key KEY')
	@.venv/bin/python -m attack $(ARGS)

fuzz: install .venv/.installed-dev  ## Fuzz requests, forms and runner frames (MINUTES=20), and write docs/security.md
	@tools/test_tools.sh
	@.venv/bin/python -m tests.fuzz --minutes $(MINUTES) --write docs/security.md

audit: .cache/supply/.installed  ## Look up known vulnerabilities of all locked packages (needs pypi.org)
	@.venv/bin/python tools/audit.py

sbom: .cache/supply/.installed  ## Write sbom.json: all packages of the service and the sandboxes, CycloneDX
	@.venv/bin/python tools/sbom.py

doctor: install  ## Check this machine and print what is missing
	@.venv/bin/python -m app doctor

clean:  ## Remove what was installed; .env and data stay
	rm -rf .venv .sandbox .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

.venv/.installed: requirements.txt
	@tools/make_venv.sh .venv -r $<
	@touch $@

.cache/bench/.installed: bench/rivals.lock
	@tools/make_venv.sh .cache/bench -r $<
	@touch $@

.cache/supply/.installed: tools/supply.lock .venv/.installed
	@tools/make_venv.sh .cache/supply -r $<
	@touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	@tools/make_venv.sh .venv -r $<
	@touch $@
