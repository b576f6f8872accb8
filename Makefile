# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test kills bench bench-quick results cards pictures docs sbom runtime lint types clean help

help:
	@echo "make demo   set up, score real Cas9 targets, fine-tune on real peptides (a few minutes)"
	@echo "make test   set up and run the tests (LYRA_HF_DATA=FOLDER runs those that need the tables too)"
	@echo "make kills  kill -9 of train, predict, design and the catalogue's run, 20 times each: nothing is lost (ten minutes)"
	@echo "make bench  every speed and size against the published definition and ESM-2 (make bench-quick: in a minute)"
	@echo "make results  docs/results.md anew from the recipes and the reports in training/results"
	@echo "make cards    the model cards anew, from the same and training/shown"
	@echo "make pictures  the pictures and figures of docs/theory.md and, from the tables in LYRA_HF_DATA, of the tutorial on epistasis"
	@echo "make docs     the site, in the folder site"
	@echo "make sbom     a bill of materials of all that is installed (CycloneDX)"
	@echo "make runtime  the page's ONNX Runtime anew, by npm"
	@echo "make lint   ruff, formatting and all    make types   mypy, strict"

demo: $(VENV)/.demo
	$(BIN)/python training/demo.py

test: $(VENV)/.dev
	-@$(BIN)/python tools/transformers_tests.py
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2
	@echo "The tests pass. Next: make demo, or read docs/architecture.md."

kills: $(VENV)/.dev
	OMP_NUM_THREADS=1 LYRA_HF_KILLS=20 $(BIN)/python -m pytest tests/kills

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

bench-quick: $(VENV)/.dev
	$(BIN)/python -m benchmarks --quick

results: $(VENV)/.dev
	$(BIN)/python training/results_table.py

cards: $(VENV)/.dev
	$(BIN)/python training/cards.py

pictures: $(VENV)/.dev
	cd training && ../$(BIN)/python -m theory.pictures
	$(BIN)/python training/pictures/epistasis_gb1.py

# Not --quiet: what it does not print, it does not count as a warning either.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "site/index.html is written."

sbom: $(VENV)/.dev
	$(BIN)/cyclonedx-py environment $(VENV) --pyproject pyproject.toml -o sbom.json
	@echo "sbom.json is written: all that is installed, with versions and licences."

runtime: $(VENV)/.dev
	$(BIN)/python tools/browser_runtime.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs demo site .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch first: with it installed, nothing asks for another build of it.
$(VENV)/.torch: constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt torch
	@touch $@

$(VENV)/.demo: pyproject.toml constraints.txt $(VENV)/.torch
	$(PIP) install -c constraints.txt -e ".[demo]"
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.torch
	$(PIP) install -c constraints.txt -e ".[dev]"
	@touch $@
