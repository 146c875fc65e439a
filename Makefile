# make demo          raw text to a served and a mobile model, about six minutes on 2 cores
# make test-fast     the first tier: no training, no exports, no jobs that load TensorFlow
# make test          every test that CI runs, but for the next line's
# make test-garden   parity with TensorFlow Model Garden, in an environment of its own
# make format lint types bench clean-demo
#
# TF=2.20 takes that TensorFlow instead; give it a folder of its own: VENV=.venv-2.20.

PYTHON ?= python3
TF ?= 2.21
VENV ?= .venv

RUN := $(VENV)/bin/python
# seqeval comes as source, which pip before 25.3 builds with this environment's own
# setuptools unless told otherwise; recent ones can't.
PIP_INSTALL = $(RUN) -m pip install --quiet --disable-pip-version-check --use-pep517 \
	--constraint constraints.txt "tensorflow~=$(TF).0" "tensorflow-text~=$(TF).0"

# Where TensorFlow logs more than its errors, a job's own lines drown.
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo clean-demo test test-fast test-garden format lint types bench

demo: $(VENV)/.installed-demo
	@$(RUN) -m benchmarks.demo --output_dir=build/demo

clean-demo:
	rm -rf build/demo

# A file at a time, in the order of tests/conftest.py: what its tests share is made once,
# and the last files are short.
PYTEST := -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# In two runs: a process keeps what TensorFlow traced and compiled, and one run's grow to
# 9 GB each.
SECOND := tests/bert_tf/training tests/export

test: $(VENV)/.installed-dev
	$(RUN) $(PYTEST) -m "not garden" $(addprefix --ignore=,$(SECOND))
	$(RUN) $(PYTEST) -m "not garden" $(SECOND)

test-fast: $(VENV)/.installed-dev
	$(RUN) $(PYTEST) -m "not garden and not slow"

format: $(VENV)/.installed-dev
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

lint: $(VENV)/.installed-dev
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .

types: $(VENV)/.installed-dev
	$(RUN) -m mypy

bench: $(VENV)/.installed-dev
	$(RUN) -m benchmarks.training_step

test-garden:
	$(MAKE) VENV=.venv-garden TF=2.20 .venv-garden/.installed-garden
	# Its own warnings are not ours to fail on.
	.venv-garden/bin/python -m pytest -W default -m garden $$(grep -rl mark.garden tests)

$(RUN):
	@$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))" \
		|| { echo "bert-tf needs Python 3.11 to 3.13; got $$($(PYTHON) --version)." \
		"Say which with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-demo: $(RUN) pyproject.toml constraints.txt
	@echo "Installing into $(VENV): about a minute, 2.5 GB."
	$(PIP_INSTALL) --editable ".[mobile]"
	@touch $@

$(VENV)/.installed-dev: $(RUN) pyproject.toml constraints.txt
	@echo "Installing into $(VENV) with what the tests need: about two minutes."
	$(PIP_INSTALL) --editable ".[dev]"
	@touch $@

$(VENV)/.installed-garden: $(RUN) pyproject.toml constraints.txt
	@echo "Installing Model Garden into $(VENV): about two minutes."
	$(PIP_INSTALL) --editable ".[model-garden]" pytest pytest-timeout
	@touch $@
