"""Help on settings files."""

import re

import pytest
import yaml

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.utils.config import hparams_path, read_settings

FILES = sorted(path.name for path in hparams_path("").glob("*.yaml"))


@pytest.mark.parametrize("name", FILES)
def test_help_lists_every_plain_setting(name, capsys):
    """Each scalar and list of the file is listed with its value, and each comment is shown."""
    command = "evaluate" if name.startswith("evaluate") else "train"
    assert main([command, name, "--help"]) == 0
    page = capsys.readouterr().out
    words = re.sub(r"\s+", " ", page)
    for key, value in yaml.compose(read_settings(name)).value:
        if value.tag.startswith("tag:") and not isinstance(value, yaml.MappingNode):
            assert f"--{key.value} " in page, key.value
    for comment in re.findall(r"^\w+: [^!\n]* # (.+)$", read_settings(name), flags=re.M):
        assert re.sub(r"\s+", " ", comment.strip()) in words
    assert "--debug" in page


def test_help_resolves_nothing(tmp_path, capsys):
    """A reference is shown as it is written."""
    path = tmp_path / "mine.yaml"
    path.write_text("# Title\nfolder: out\nlog: !ref <folder>/log # file\nnet: !new:a.B\n")
    assert main(["train", str(path), "-h"]) == 0
    page = capsys.readouterr().out
    assert "--log <folder>/log\n      file" in page and "--net" not in page
    assert page.startswith("Settings of mine.yaml") and "Title" not in page
