"""Clips of the hits of a job, cut from the original files."""

from pathlib import Path

import pytest
import soundfile
import torch

pytest.importorskip("pyarrow")

from speechbrain_lmac import explain_dataset
from speechbrain_lmac.__main__ import main
from speechbrain_lmac.bulk.store import open_store
from speechbrain_lmac.bulk.tables import read_regions
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.inference.sound_names import clip_name
from speechbrain_lmac.reports.recording import MARGIN_SECONDS
from tests.unit.bulk.conftest import PROMPTS, interpreter

__all__ = ["interpreter"]


@pytest.fixture(scope="module")
def job(interpreter, tmp_path_factory):
    """Output folder of a job on a stereo recording and a clip with the same name."""
    tmp_path = tmp_path_factory.mktemp("job")
    siren, rain = (synthesize(kind, seed=0, seconds=2.0) for kind in ("siren", "rain"))
    quiet = torch.zeros(SAMPLE_RATE)
    wav = torch.cat([siren, quiet, rain, quiet, siren])
    for name, channels in (("a/dawn.wav", [wav, 0.5 * wav]), ("b/dawn.wav", [siren])):
        (tmp_path / name).parent.mkdir()
        soundfile.write(tmp_path / name, torch.stack(channels, 1).numpy(), SAMPLE_RATE)
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    output = str(tmp_path / "out")
    options = {"explain_above": 0.0, "threshold": 1e-6, "progress": False}
    explain_dataset(folders, PROMPTS, output, interpreter=interpreter, **options)
    return tmp_path / "out"


def clips_of(folder):
    """Return the names of the clips in a folder."""
    return {path.name for path in folder.iterdir() if "-clip-" in path.name}


def test_hits_are_cut_from_their_files(job, tmp_path, capsys):
    """Each region is a clip of its file with its samples and channels; other files stay."""
    root, command = tmp_path / "cut", ["hits", str(job), "--above", "0"]
    assert main([*command, "--clips", str(root)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    regions = list(read_regions(open_store(str(job)), None, 0.0))
    assert {Path(region.file).parent.name for region in regions} == {"a", "b"}
    for file in {region.file for region in regions}:
        own = [region for region in regions if region.file == file]
        names = [clip_name(PROMPTS.index(r.prompt), r.prompt, r.start, r.stop) for r in own]
        folder = root / ("dawn" if Path(file).parent.name == "a" else "dawn-2")
        assert clips_of(folder) == set(names)
        samples, rate = soundfile.read(file, always_2d=True)
        for region, name in zip(own, names):
            first = round(max(0.0, region.start - MARGIN_SECONDS) * rate)
            stop = round((region.stop + MARGIN_SECONDS) * rate)
            assert (soundfile.read(folder / name, always_2d=True)[0] == samples[first:stop]).all()


def test_later_clips_replace_own_files_only(job, tmp_path, capsys):
    """Clips of the same prompt are replaced, those of other prompts and files of the user stay."""
    root, command = tmp_path / "cut", ["hits", str(job), "--above", "0"]
    assert main([*command, "--clips", str(root)]) == 0
    before = clips_of(root / "dawn")
    (root / "dawn" / "note.txt").write_text("mine")
    assert len({"siren" in name for name in before}) == 2
    siren = [*command, "--prompt", PROMPTS[0], "--merge-gap", "60", "--clips", str(root)]
    assert main(siren) == 0
    after = clips_of(root / "dawn")
    assert {name for name in after if "siren" not in name} == {
        name for name in before if "siren" not in name
    }
    assert len({name for name in after if "siren" in name}) == 1
    assert (root / "dawn" / "note.txt").read_text() == "mine"
    (edited,) = [root / "dawn" / name for name in after if "siren" in name]
    edited.write_bytes(b"mine")
    capsys.readouterr()
    assert main(siren) == 1
    assert edited.read_bytes() == b"mine" and "error" in capsys.readouterr().err


def test_clips_take_no_table(job, tmp_path, capsys):
    """A table and clips are written one at a time."""
    for option in (["--csv"], ["--to", str(tmp_path / "hits.csv")]):
        with pytest.raises(SystemExit, match="2"):
            main(["hits", str(job), "--clips", str(tmp_path / "cut"), *option])
        assert "--clips" in capsys.readouterr().err and not (tmp_path / "cut").exists()


def test_clips_need_a_folder(job, tmp_path, capsys):
    """A file in place of the folder is one error, and it stays."""
    file = tmp_path / "note.txt"
    file.write_text("mine")
    with pytest.raises(SystemExit, match="2"):
        main(["hits", str(job), "--above", "0", "--clips", str(file)])
    (line,) = capsys.readouterr().err.splitlines()
    assert "note.txt must be a folder, got a file" in line and file.read_text() == "mine"


@pytest.mark.parametrize("option", ["--csv", "--regions", "--clips"])
def test_no_hits_are_one_sentence(job, tmp_path, capsys, option):
    """A job without hits of a prompt says so on stderr, with the option to change."""
    cut = tmp_path / "cut"
    command = ["hits", str(job), "--prompt", PROMPTS[0], "--above", "1", option]
    assert main([*command, *([str(cut)] if option == "--clips" else [])]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("no ") and line.endswith(
        f" of “{PROMPTS[0]}” with a presence of at least 1. Lower --above"
    )
    assert not cut.exists()
    assert main(["hits", str(job), "--above", "0"]) == 0
    assert not capsys.readouterr().err
