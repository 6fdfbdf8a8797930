# Each target makes .venv and installs what it needs by itself; the second time that takes no time.

PYTHON ?= python3
SERVE ?= 1
PORT ?= 8501
# To choose a build of torch: the index address that pytorch.org names for it. Empty: pip's own.
TORCH_INDEX ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
TRAIN := .venv/.installed-train
DEV := .venv/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help demo app test test-latex check reproduce screenshots chromium latex

help:
	@echo "make demo    set up, run the embedded study, print its findings, open the app (SERVE=0: end instead)"
	@echo "make app     set up and open the app over the shipped runs and ./runs"
	@echo "make test    set up and run all tests"
	@echo "make test-latex"
	@echo "             set up and compile LaTeX documents that hold every figure and table"
	@echo "make check   set up, then lint, formatting and types"
	@echo "make screenshots"
	@echo "             set up and photograph every page into screenshots/; SHOTS='explore live' takes some"
	@echo "make reproduce RUN=id-or-folder"
	@echo "             set up, make a run again and compare the two; fails if they differ"
	@echo
	@echo "Variables: PYTHON=python3.11  PORT=8501  SERVE=1  TORCH_INDEX=address from pytorch.org"

# Set-up and study are timed apart: the first is mostly downloads.
demo:
	@start=$$(date +%s); $(MAKE) --no-print-directory $(TRAIN) && echo "Set-up: $$(($$(date +%s) - start)) s"
	$(BIN)/sapo demo --port $(PORT) $(if $(filter 0,$(SERVE)),--no-serve,--serve)

app: $(TRAIN)
	$(BIN)/sapo app --port $(PORT)

# On two cores two processes with one thread each get a third more done than one with two threads.
# What the first process of the tests compiles the many after it read: without, each would compile
# torch and Streamlit for itself (5 to 10 s), so a shell that forbids to write it down is not asked.
test: $(DEV) chromium
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# Not part of `make test`: texlive takes 150 MB.
test-latex: $(DEV) latex
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.paper.latex_document

latex:
	@if command -v pdflatex >/dev/null && kpsewhich booktabs.sty ptmr8t.tfm >/dev/null; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		echo "Installing texlive for the LaTeX documents"; \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends \
			texlive-latex-recommended texlive-fonts-recommended >/dev/null; \
	else echo "No pdflatex with booktabs and Times, and no root with apt-get to install them:"; \
		echo "install texlive-latex-recommended and texlive-fonts-recommended"; exit 1; fi

screenshots: $(DEV) chromium
	$(BIN)/python -m tests.app.screenshots $(SHOTS)

chromium:
	@if command -v chromium >/dev/null || command -v google-chrome >/dev/null; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		echo "Installing chromium for the browser tests"; \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null \
			|| echo "*** chromium could not be installed: BROWSER TESTS WILL BE SKIPPED ***"; \
	else echo "*** No chromium, and no root with apt-get to install it: BROWSER TESTS WILL BE SKIPPED ***"; fi

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

reproduce: $(TRAIN)
	@test -n '$(RUN)' || { echo "Which run? make reproduce RUN=id-or-folder; $(BIN)/sapo runs lists them"; exit 2; }
	$(BIN)/sapo reproduce '$(RUN)'

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.11"; exit 2; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	$(PYTHON) -m venv .venv

$(TRAIN): .venv/bin/python pyproject.toml setup.py constraints.txt
	@echo "Installing sapo-analysis with what training needs"
	$(if $(TORCH_INDEX),$(PIP) torch --index-url $(TORCH_INDEX))
	$(PIP) --editable '.[train]'
	@touch $@

# Tests import a part of what is installed: only that is compiled, when it is first imported. pip
# compiles all of it, a file at a time, which takes a minute.
$(DEV): .venv/bin/python pyproject.toml setup.py constraints.txt
	@echo "Installing sapo-analysis with what training, tests and checks need"
	$(if $(TORCH_INDEX),$(PIP) --no-compile torch --index-url $(TORCH_INDEX))
	$(PIP) --no-compile --editable '.[train,dev]'
	@touch $(TRAIN) $@
