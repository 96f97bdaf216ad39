# make run     a first answer, streamed into this terminal: needs nothing but Python >= 3.11
# make test    the tests            make lint    ruff and mypy
# make bench   the benchmarks       make fuzz    random input, for minutes and not seconds
# make crash   kill sidecars at 1,000 random points
# make electron / make electron-e2e   the Electron example: types and tests; its scenarios in a real Chromium (needs Node)
# make package / make package-test   dist/llm-sidecar/, the sidecar as a folder that needs no Python; the tests run against it
# make clean   remove everything made here

PYTHONS := python3.13 python3.12 python3.11 python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test lint bench fuzz crash electron electron-e2e package package-test package-bench clean
.DELETE_ON_ERROR:

run: .venv/.installed
	@$(BIN)/llm-sidecar demo

test: .venv/.installed-dev
	$(BIN)/python -m pytest

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/.installed-dev
	$(BIN)/python -m benchmarks

fuzz: .venv/.installed-dev
	HYPOTHESIS_PROFILE=fuzz LLM_SIDECAR_MACHINE_EXAMPLES=1000 $(BIN)/python -m pytest tests/wire/test_framing.py \
	  tests/wire/test_envelope.py tests/services/test_journal.py tests/services/test_token_stream.py \
	  tests/services/test_inference_machine.py

crash: .venv/.installed-dev
	LLM_SIDECAR_KILLS=1000 LLM_SIDECAR_FOLDER_RACES=200 $(BIN)/python -m pytest tests/crash tests/process/test_data_folder.py
	LLM_SIDECAR_CRASHES=1000 $(BIN)/python -m pytest tests/vault/test_vault_crashes.py

ELECTRON := examples/electron-host

electron: .venv/.installed $(ELECTRON)/node_modules/.package-lock.json
	cd $(ELECTRON) && npm run typecheck && npm test

electron-e2e: .venv/.installed $(ELECTRON)/node_modules/.package-lock.json
	cd $(ELECTRON) && npm run test:e2e

$(ELECTRON)/node_modules/.package-lock.json: $(ELECTRON)/package-lock.json
	cd $(ELECTRON) && ELECTRON_SKIP_BINARY_DOWNLOAD=1 npm ci --no-audit --no-fund

# Built in an environment of its own: what is installed there is what is packed. PACKAGE_EXTRAS=keyring,local adds llama.cpp.
PACKAGE_EXTRAS := keyring
PACKAGE_ENV := build/package/env
PACKAGED := dist/llm-sidecar/llm-sidecar

package: $(PACKAGE_ENV)/.installed-$(PACKAGE_EXTRAS)
	$(PACKAGE_ENV)/bin/python packaging/build.py

package-test: package .venv/.installed-dev
	LLM_SIDECAR_COMMAND=$(PACKAGED) $(BIN)/python -m pytest tests/packaging tests/process tests/protocol tests/end_to_end \
	  tests/cli tests/crash

package-bench: .venv/.installed-dev
	$(BIN)/python -m benchmarks.packaged_start

$(PACKAGE_ENV)/.installed-$(PACKAGE_EXTRAS): pyproject.toml | $(BIN)/python
	@echo "Making $(PACKAGE_ENV) ..."
	@rm -rf $(PACKAGE_ENV)
	@$(BIN)/python -m venv $(PACKAGE_ENV)
	@$(PACKAGE_ENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[package$(PACKAGE_EXTRAS:%=,%)]'
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing llm-sidecar into .venv ..."
	@$(PIP) -e .
	@touch $@

.venv/.installed-dev: pyproject.toml | $(BIN)/python
	@echo "Installing llm-sidecar and its development tools into .venv ..."
	@$(PIP) -e '.[dev]'
	@touch .venv/.installed $@

# The first Python that is new enough and can make an environment (Debian packages `venv` by itself).
$(BIN)/python:
	@for python in $(PYTHONS); do \
	  if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "Making .venv with $$python ..."; \
	    $$python -m venv .venv && exit 0; \
	    rm -rf .venv; exit 1; \
	  fi; \
	done; \
	echo "llm-sidecar needs Python 3.11 or newer with its venv module; none of these is: $(PYTHONS)." >&2; \
	exit 1
