"""Rules of the repository: annotations and requirements."""

import ast
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGE = "speechbrain_lmac"


def test_mypy_requires_annotations():
    """mypy checks the whole package and all function bodies, and ``make lint`` runs it."""
    mypy = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert mypy["files"] == [PACKAGE]
    assert mypy["check_untyped_defs"] and mypy["disallow_untyped_defs"]
    assert not mypy.get("overrides") and not mypy.get("exclude")
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    assert "mypy" in lint


def setup_requirements():
    """Return the requirements of every user."""
    calls = [
        node
        for node in ast.walk(ast.parse((ROOT / "setup.py").read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setup"
    ]
    keywords = {keyword.arg: keyword.value for keyword in calls[0].keywords}
    return [Requirement(line) for line in ast.literal_eval(keywords["install_requires"])]


def test_requirements_accept_numpy_2():
    """The upper bound of a test dependency does not bind users."""
    numpy = [each for each in setup_requirements() if each.name == "numpy"]
    assert numpy
    assert all("2.3.0" in each.specifier for each in numpy)
    assert "laion-clap" not in {each.name for each in setup_requirements()}
