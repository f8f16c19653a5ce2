# Assay's tasks. `make up` and `make test` need Python 3.11 to 3.14, make and a package registry, and nothing else.

BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help up test proofs test-minio test-images check format eval bench chaos requirements clean environment

help:  ## List the tasks
	@awk -F ':.*##' '/^[a-z-]+:.*##/ {printf "  make %-14s%s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

up: environment  ## Set up and run everything; prints the address when ready; Ctrl-C stops it all
	@$(BIN)/assay up

test: environment  ## Run all tests on real Kafka, S3 and PostgreSQL (ARGS="tests/embedded -k ports" for some)
	@$(BIN)/pytest $(or $(ARGS),--numprocesses 3 --no-loadscope-reorder)

proofs: environment  ## Run the tests that are too slow for every run: kills between all steps, large transfers
	@$(BIN)/pytest -m proof --timeout 600 $(ARGS)

test-minio: environment  ## Run the object store's and the end-to-end tests on MinIO, built from source once
	@sh infra/minio/build.sh
	@ASSAY_TEST_S3=minio $(BIN)/pytest $(or $(ARGS),tests/shared/test_objects.py tests/minio/as_in_compose.py tests/e2e)

test-images: environment  ## Carry out the Dockerfiles' steps in clean folders (IMAGES="upload results notify")
	@$(BIN)/pytest tests/deployment/replay_images.py $(ARGS)

check: environment  ## Format, lint, types, import rules, contract
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m assay.contracts.generate --check

format: environment  ## Format the code and repair what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

eval: environment  ## Compare the analyzers with what they should say; writes .assay/eval.json
	@PYTHONPATH=tests $(BIN)/python -m evaluation $(ONLY)

bench: environment  ## Measure speed beside baselines; writes .assay/bench.json (ONLY=overhead_p50_ms for one row)
	@PYTHONPATH=tests $(BIN)/python -m bench $(ONLY)

chaos: environment  ## Kill every kind of process while files are uploaded, and count; writes .assay/chaos.json
	@PYTHONPATH=tests $(BIN)/python -m chaos

requirements: environment  ## Compile requirements.in into requirements.txt, and each image's own
	@$(BIN)/uv pip compile --quiet --universal --no-header --python-version 3.11 requirements.in -o requirements.txt
	@$(BIN)/python infra/requirements.py $(BIN)/uv
	@$(BIN)/uv pip compile --quiet --universal --no-header --python-version 3.11 tests/bench/requirements.in -o tests/bench/requirements.txt

clean:  ## Remove the environment and all caches; the data in .assay stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -not -path './.assay/*' -prune -exec rm -rf {} +

environment:
	@sh infra/bootstrap.sh
