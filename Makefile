# Every path here is relative, so that a checkout whose path has spaces works.
VENV_BIN := .venv/bin
AGAINST_THE_CLOCK := $(VENV_BIN)/python scripts/against_the_clock.py
BUDGET := 10m
EXPERIMENT := suites/experiments/ftvr-l9z.yaml
.DEFAULT_GOAL := help
.PHONY: help setup gameday images images-offline test test-pythons test-slow test-docker controls mutants lint docs bench clean

help: ## Show these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: ## Make .venv from the lock and get Toxiproxy (does nothing when it is all there)
	@python="$$(scripts/find-python.sh)" && "$$python" scripts/setup.py

gameday: setup ## Replay the outage under load (about two minutes), then the repaired service for contrast
	@$(VENV_BIN)/brownout run $(EXPERIMENT) --world processes --expect breach
	@$(VENV_BIN)/brownout run $(EXPERIMENT) --world simulation --posture repaired --expect pass

images: setup ## Build the images of the compose world, from the registry's bases
	@$(VENV_BIN)/brownout images

images-offline: setup ## Build the same images where no image registry can be reached (a minute or two)
	@$(VENV_BIN)/brownout images --offline

# A run against the clock has the machine to itself but for one other of its kind: each takes a quarter of a processor, and
# runs of the plugin take turns on the machine in any case, so that more at a time are no faster.
# Two stacks of containers at once are no trouble to each other, except to a run against the clock: those come after.
# The tests start Python some hundred times: where bytecode is not kept, each time compiles everything once more.
test test-slow test-docker mutants: export PYTHONDONTWRITEBYTECODE =

test: setup ## Run the tests that need neither Docker nor seconds of real time
	@$(VENV_BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not docker and not slow"

test-pythons: setup ## Run some 490 of the fast tests on Python 3.13 and 3.14, which are Debian's, in containers
	@$(VENV_BIN)/python scripts/other_pythons.py

test-slow: setup ## Run the tests on real processes, against the clock (a quarter of an hour)
	@failed=0; \
	$(AGAINST_THE_CLOCK) -n 3 --dist loadfile --no-loadscope-reorder -m "slow and not alone and not docker" || failed=1; \
	$(AGAINST_THE_CLOCK) -n 2 --dist loadfile --no-loadscope-reorder -m "slow and alone and not docker" || failed=1; \
	exit $$failed

test-docker: setup ## Run the tests that need Docker (skipped where there is none; BROWNOUT_REQUIRE_DOCKER=1 insists)
	@failed=0; \
	$(AGAINST_THE_CLOCK) -n 2 --dist loadfile --no-loadscope-reorder -m "docker and not alone" tests || failed=1; \
	$(AGAINST_THE_CLOCK) -m "docker and alone" tests || failed=1; \
	$(AGAINST_THE_CLOCK) -m docker suites || failed=1; \
	exit $$failed

mutants: setup ## Change one thing at a time in the code that decides, and see that a test notices (BUDGET=10m)
	@PYTHONPATH=tests $(VENV_BIN)/python -m mutation --budget $(BUDGET)

controls: setup ## Run every negative control and print a line for each; fails when one stays green (a minute)
	@PYTHONPATH=tests $(VENV_BIN)/python -m controls

lint: setup ## Check style, types and import rules
	@$(VENV_BIN)/ruff check .
	@$(VENV_BIN)/ruff format --check .
	@$(VENV_BIN)/mypy
	@$(VENV_BIN)/lint-imports

docs: setup ## Build the pages as a site in site/; a broken link or anchor is an error
	@$(VENV_BIN)/zensical build --clean --strict
	@echo "See it: $(VENV_BIN)/python -m http.server --bind 127.0.0.1 --directory site"

bench: setup ## Measure, and print JSON
	@$(VENV_BIN)/python -m benchmarks

clean: ## Remove the environment, caches and runs of this checkout
	@rm -rf .venv .cache site runs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .mutants allure-results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
