# Mailroom. On a bare machine (git, make, Python 3.11 or newer with its venv module) each target does all of its own set-up.
.DEFAULT_GOAL := help
.PHONY: help run test check faults bench map lock
PYTEST = .venv/bin/python -m pytest

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

run: .venv/installed-for-run ## start everything: dashboard, API, SMTP, workers
	@exec .venv/bin/python app.py up

test: check ## check, then all tests; WITHOUT=postgres,browser,postfix,s3 leaves parts out
	@.ci/bootstrap-tests
	@unset PYTHONDONTWRITEBYTECODE; $(PYTEST) -n 2 --dist loadfile --reruns 1

check: .venv/installed-for-dev ## ruff, mypy, import-linter, djlint: seconds
	@.venv/bin/ruff check --quiet --output-format concise .
	@.venv/bin/mypy --no-error-summary
	@.venv/bin/lint-imports --no-cache > .venv/imports.txt || { cat .venv/imports.txt; exit 1; }
	@.venv/bin/djlint --quiet --lint templates

faults: .venv/installed-for-dev ## the long kill test; SEED=7 DATABASE=postgres LENGTH=short|middle|long KEEP=1 (into docs), CAMPAIGN=1
	@.venv/bin/python -m tests.faults

bench: .venv/installed-for-dev ## benchmarks with a rival in the same run; NAME=http_list runs one
	@.venv/bin/python -m tests.bench $(NAME)

map: .venv/installed-for-run ## features with their tables, endpoints, pages and jobs on one screen
	@.venv/bin/python app.py map

lock: .venv/installed-for-dev ## write the lock files anew from pyproject.toml
	@.venv/bin/python -m pip install --quiet uv==0.13.8
	@.venv/bin/uv pip compile -q pyproject.toml --all-extras --python-version 3.11 --generate-hashes --universal --no-header -o .ci/requirements.lock
	@.venv/bin/uv pip compile -q pyproject.toml --extra postgres -c .ci/requirements.lock --python-version 3.11 --generate-hashes --universal --no-header -o .ci/requirements-run.lock

.venv/installed-for-run: .ci/requirements-run.lock
	@.ci/bootstrap run

.venv/installed-for-dev: .ci/requirements.lock
	@.ci/bootstrap dev

export WITHOUT PYTHON
