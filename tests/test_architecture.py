"""The order of the house: imports run downwards, arithmetic knows no framework."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import speechbrain_lmac

PACKAGE = Path(speechbrain_lmac.__file__).parent

FLOORS = [
    {"errors"},
    {"whole", "containers", "raster"},
    {"ledger", "decoding"},
    {"outputs"},
    {
        "spectrogram",
        "overlap",
        "regions",
        "classification",
        "bench.formats",
        "level",
        "ranking",
        "bootstrap",
        "window",
        "grid",
        "gates",
        "losses",
        "pairs",
        "contamination",
        "environment",
        "memory",
        "blueprint",
        "record",
        "processes",
        "checkpoints",
        "clap.reading",
        "once",
        "download",
        "hub",
        "settings",
        "data.pairing",
        "data.prompts",
        "data.audioset",
    },
    {
        "audio",
        "budgets",
        "data.archives",
        "objective",
        "identity",
        "decoder",
        "clap.base",
        "clap.checkpoint",
        "clap.cnn14",
        "clap.efficientat",
        "clap.minilm",
        "data.synthetic",
        "zero_shot_tables",
    },
    {
        "clap.embedded",
        "clap.htsat",
        "clap.pretrained",
        "clap.sentences",
        "clap.tagger",
        "planes",
        "data.manifest",
        "data.synthetic_set",
        "data.pipeline",
        "figures",
        "sound",
        "spool",
        "report.media",
    },
    {"report.clip", "report.page", "timeline"},
    {"report.recording", "evidence"},
    {
        "masking",
        "interpretation",
        "clap.laion",
        "clap.microsoft",
        "data.esc50",
        "data.urbansound8k",
        "data.captions",
        "data.plans",
        "judge",
        "published",
    },
    {
        "metrics",
        "listenable_map",
        "export",
        "clap.huggingface",
        "clap.registry",
        "background",
        "calibration",
        "survey",
        "data.clips",
        "curves",
        "explainers.base",
    },
    {
        "explainers.controls",
        "explainers.learned",
        "explainers.gradient",
        "explainers.optimised",
        "localisation",
        "randomisation",
        "data.prepare",
    },
    {"explainers.cam", "stability", "self_test", "planted", "bench.conditions"},
    {"explainers.scorecam", "source", "questions"},
    {"explainers", "inference", "commands.files"},
    {"evaluation"},
    {"tables", "zero_shot"},
    {"report.explained"},
    {"publishing", "web", "report.methods", "report.ratings"},
    {"brain", "bench.setup", "bench.rows", "bench.comparison"},
    {"training", "bench.batches", "bench.assessment"},
    {"bench.measures", "bench.tuning", "bench.figures", "bench.tables"},
    {"bench.work"},
    {"bench.alterations", "bench.planted"},
    {"bench.checks", "bench.bench"},
    {"bench.report", "bench.plane"},
    {"bench.gallery"},
    {"bench.run"},
    {"demo", "commands.batch"},
    {"commands.explain", "commands.classify", "commands.publish", "commands.app"},
    {"commands.report", "commands.compare", "commands.ratings"},
    {"__main__"},
]
"""Every module, lowest first; a module may import what stands on a lower floor."""

FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
FACES = {"__init__", "clap", "data", "bench", "commands", "report"}
GLUE = {"checkpoints", "brain", "training", "inference", "data.pipeline", "bench.run"}
"""The only modules that import SpeechBrain."""


def modules():
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        yield name, ast.parse(path.read_text())


TREES = dict(modules())


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("name", sorted(set(TREES) - FACES))
def test_imports_run_downwards(name):
    prefix = "speechbrain_lmac."
    inside = {
        target.removeprefix(prefix) for target in imports(TREES[name]) if target.startswith(prefix)
    }
    higher = {target for target in inside & set(FLOOR) if FLOOR[target] >= FLOOR[name]}
    assert not higher, f"{name} imports {higher}"


def test_only_the_glue_knows_speechbrain():
    users = {
        name
        for name, tree in modules()
        if any(t.split(".")[0] == "speechbrain" for t in imports(tree))
    }
    assert users <= GLUE


def test_importing_the_package_is_light():
    code = (
        "import sys, speechbrain_lmac; "
        "heavy = {'torch', 'speechbrain', 'laion_clap', 'transformers'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("own", [None, "7"])
def test_waiting_threads_soon_give_way(own):
    """Said before torch is loaded, and not over what the user says."""
    code = "import os, speechbrain_lmac; print(os.environ['GOMP_SPINCOUNT'])"
    inherited = {k: v for k, v in os.environ.items() if k != "GOMP_SPINCOUNT"}
    env = inherited | ({"GOMP_SPINCOUNT": own} if own else {})
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert out.stdout.strip() == (own or "1000")
