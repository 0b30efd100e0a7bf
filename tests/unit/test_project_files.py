"""Files that describe the project to its hosts: workflows, templates, citation."""

import re
from pathlib import Path

import pytest
import yaml

from speechbrain_lmac.utils.version import VERSION

ROOT = Path(__file__).parents[2]
GITHUB = sorted((ROOT / ".github").rglob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.stem)
def test_github_files_are_yaml(path):
    """Each file is a mapping, and each make target that it calls exists."""
    text = path.read_text()
    content = yaml.safe_load(text)
    assert content["name"] and ("jobs" in content or content["body"])
    assert set(re.findall(r"make (\w+)", text)) <= TARGETS
    assert not re.search(r"index-url|pypi\.org", text)


def test_workflows_run_both_pythons():
    """Tests and installation run on every Python that setup.py allows."""
    supported = re.search(r'python_requires=">=3.(\d+),<3.(\d+)"', (ROOT / "setup.py").read_text())
    wanted = [f"3.{minor}" for minor in range(int(supported[1]), int(supported[2]))]
    for name, job in ("tests", "tests"), ("release", "install"):
        workflow = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())
        assert workflow["jobs"][job]["strategy"]["matrix"]["python"] == wanted


def test_citation_states_the_version():
    """CITATION.cff has the version of the package and both papers."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == VERSION and citation["license"] == "Apache-2.0"
    titles = [paper["title"] for paper in citation["references"]]
    assert all(title.startswith("Listenable Maps for") for title in titles) and len(titles) == 2
