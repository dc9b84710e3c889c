# The commands of a working copy. `make` alone lists them. Needs Python 3.11 to 3.13 and make; setup fetches the rest.

UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.setup-stamp
BENCH_SETUP := $(VENV)/.bench-stamp
# The first Python of the right version; `make PYTHON=/path/to/python3.12` chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && { echo "$$p"; break; }; done)
# Test processes: one per core, four at most.
TEST_WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); [ "$$n" -gt 4 ] && n=4; echo "$$n")
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --annotation-style line --custom-compile-command 'make lock'
# What builds the package itself, so that setup needs nothing but the lock file.
BUILD_TOOLS := 'hatchling>=1.27' 'editables>=0.5'
# What writes the image's bill of materials.
SBOM_TOOLS := 'cyclonedx-bom>=7'

# The settings of .env, where there is one, for the commands that work with data.
WITH_SETTINGS := set -a; if [ -f .env ]; then . ./.env; fi; set +a;

# duckdb, or redshift-stand-in: an S3 server and a stand-in for Redshift, started with the command (docs/redshift.md).
WAREHOUSE ?= duckdb
$(if $(filter duckdb redshift-stand-in,$(WAREHOUSE)),,$(error WAREHOUSE is duckdb or redshift-stand-in, not $(WAREHOUSE)))
CLICKSTREAM := $(BIN)/$(if $(filter duckdb,$(WAREHOUSE)),clickstream,python -m clickstream_platform_tests.redshift_stand_in_dev)

# uv would take another environment that happens to be active.
unexport VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help setup demo dev test test-redshift test-e2e test-kubernetes chaos lint format bench lock clean

help:  ## List the commands
	@sed -n 's/^\([a-z0-9-]*\):.*##  *\(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-15s %s\n' "$$name" "$$text"; done

setup: $(SETUP)  ## Make .venv with exactly the versions of requirements.lock

$(BIN)/uv:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.13 found; install one, or say make PYTHON=/path/to/python3.12." >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); \
		echo "The venv module is missing; on Debian and Ubuntu: apt-get install python3-venv." >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(SETUP): requirements.lock pyproject.toml | $(BIN)/uv
	@echo "Installing the versions of requirements.lock into $(VENV) …"
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@rm -f $(BENCH_SETUP)
	@touch $@

$(BENCH_SETUP): requirements-bench.lock $(SETUP)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirements requirements-bench.lock
	@touch $@

demo: setup  ## Generate two customers, load them through Dagster, show the tables; DATA=file.ndjson.gz loads that too
	@$(WITH_SETTINGS) $(CLICKSTREAM) demo $(if $(DATA),--data "$(DATA)") $(if $(CUSTOMER),--customer "$(CUSTOMER)")

dev: setup  ## Start Dagster's web interface and daemon on the same data; WAREHOUSE=redshift-stand-in (demo too): on that
	@$(WITH_SETTINGS) $(CLICKSTREAM) $(or $(COMMAND),dev)

test: setup  ## Run the tests (TESTS=path for some of them)
	$(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) --dist loadfile -m "not e2e and not chaos and not redshift and not kubernetes" $(TESTS)

test-redshift: setup  ## Run the whole acceptance suite, crashes and runs with the Redshift stand-in as the warehouse
	CLICKSTREAM_TEST_WAREHOUSE=redshift $(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) --dist loadfile \
		$(or $(TESTS),clickstream_platform_tests/acceptance $$(grep -rl 'mark\.redshift' clickstream_platform_tests --include='test_*.py'))

test-e2e: setup  ## Run the tests with daemon, webserver and browser; they need chromium
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m e2e $(TESTS)

test-kubernetes: setup  ## Install the chart on the cluster of KUBECONFIG and run pods there (docs/kubernetes-test.md)
	$(BIN)/python -m pytest -m kubernetes -n 0 -s $(or $(TESTS),clickstream_platform_tests/kubernetes)

chaos: setup  ## Kill collector and batcher KILLS times under load (default 100); acknowledged = rows, or it fails
	CLICKSTREAM_TEST_KILLS=$(or $(KILLS),100) $(BIN)/python -m pytest -m chaos --timeout 7200 -s $(TESTS)

lint: setup  ## Check style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(BENCH_SETUP)  ## Compare with dlt on generated events: table, plot (OUT=folder)
	$(BIN)/clickstream bench --out $(or $(OUT),.clickstream/bench)

lock: setup  ## Resolve the lock files anew after a change of pyproject.toml (UPGRADE=1: newest versions)
	printf '%s\n' $(BUILD_TOOLS) | $(UV_COMPILE) $(if $(UPGRADE),--upgrade) --group dev pyproject.toml - \
		--output-file requirements.lock >/dev/null
	$(UV_COMPILE) $(if $(UPGRADE),--upgrade) --group bench --constraints requirements.lock pyproject.toml \
		--output-file requirements-bench.lock >/dev/null
	$(UV_COMPILE) $(if $(UPGRADE),--upgrade) --constraints requirements.lock pyproject.toml \
		--output-file deploy/image/requirements.lock >/dev/null
	printf '%s\n' uv==$(UV_VERSION) $(BUILD_TOOLS) $(SBOM_TOOLS) | $(UV_COMPILE) $(if $(UPGRADE),--upgrade) \
		--constraints requirements.lock - --output-file deploy/image/tools.lock >/dev/null

clean:  ## Delete .venv and caches; .clickstream, with the demo's data, stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
