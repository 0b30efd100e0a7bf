"""Habits of Python users: lists of files, quiet notebooks, completion of the command line."""

import contextlib
import os

import pytest
import torch
from huggingface_hub.utils import are_progress_bars_disabled

from speechbrain_lmac import Interpreter
from speechbrain_lmac.__main__ import main
from speechbrain_lmac.utils.errors import InputError


def test_interpret_files_equals_interpret_file(interpreter, sound_folder):
    """Results are in order, equal those of single files, and explain each prediction."""
    paths = [sound_folder / "street.wav", str(sound_folder / "below" / "street.flac")]
    for path, result in zip(paths, interpreter.interpret_files(paths), strict=True):
        single = interpreter.interpret_file(path)
        assert result.file == str(path)
        assert result.prompts == single.prompts == tuple(interpreter.predicted_prompts(path))
        torch.testing.assert_close(result.waveform, single.waveform, atol=0, rtol=0)


def test_interpret_files_reads_one_by_one(interpreter, sound_folder):
    """A broken file does not cost the results before it; one path is no list."""
    paths = [sound_folder / "street.wav", sound_folder / "broken.wav"]
    results = interpreter.interpret_files(iter(paths), "siren")
    assert next(results).prompts == ("siren",)
    with pytest.raises(InputError, match=r"broken\.wav"):
        next(results)
    with pytest.raises(InputError, match="must be a list of sounds"):
        interpreter.interpret_files("street.wav")


@pytest.fixture
def streams(tmp_path):
    """Function that runs another one, and returns all that the process wrote meanwhile."""

    def record(function):
        with (tmp_path / "written").open("w+") as file:
            saved = [os.dup(stream) for stream in (1, 2)]
            with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                for stream in (1, 2):
                    os.dup2(file.fileno(), stream)
                try:
                    function()
                finally:
                    for stream, copy in zip((1, 2), saved):
                        os.dup2(copy, stream)
                        os.close(copy)
            file.seek(0)
            return file.read()

    return record


def test_loading_prints_nothing(streams, sound_folder):
    """A notebook shows neither bars nor log lines, also for a prompt that needs the network."""
    path, disabled = sound_folder / "street.wav", are_progress_bars_disabled()

    def explain():
        loaded = Interpreter.from_pretrained("mini-stft")
        loaded.interpret_file(path, "an ambulance that wails")._repr_html_()
        Interpreter.from_classifier("mini", explainer="gradcam++").interpret_file(path)

    assert streams(explain) == ""
    assert are_progress_bars_disabled() == disabled


@pytest.mark.parametrize(
    ("words", "expected"),
    [("ex", {"explain", "explain-many"}), ("explain --pro", {"--prompt", "--prompts-file"})],
)
def test_command_line_is_completed(monkeypatch, capsys, words, expected):
    """The shell gets the names of commands and of their options."""
    monkeypatch.setenv("_SPEECHBRAIN_LMAC_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"speechbrain-lmac {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    with pytest.raises(SystemExit):
        main([])
    assert set(capsys.readouterr().out.split()) == expected
