"""Loading an interpreter from folders and names, and SpeechBrain's inherited methods."""

import contextlib
import functools
import gc
import http.server
import shutil
import tempfile
import threading
from pathlib import Path

import pytest
import soundfile
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.utils.errors import InputError
from tests.unit.inference.conftest import CPU, PROMPTS


def test_revision_of_a_local_interpreter_is_refused(exported):
    """A commit that is not used must not look as if it were pinned."""
    for source in (exported, "mini-stft"):
        with pytest.raises(InputError, match="revision must be left out"):
            Interpreter.from_hparams(source=source, revision="abc", run_opts=CPU)


def test_from_hparams_restores_the_masks(model, exported, wavs):
    """The interpreter folder and its results folder are both accepted."""
    audio_classifier = model.classifier.audio_classifier
    encoded = model.classifier.encode_clips(audio_classifier.without_offset(wavs))
    queries = audio_classifier.queries(PROMPTS)
    expected = model(encoded, queries.unsqueeze(1)).detach()
    for source in (exported, exported.parent, str(exported.parent)):
        loaded = Interpreter.from_hparams(source=source, run_opts=CPU)
        for i, result in enumerate(loaded.interpret_batch(wavs, PROMPTS)):
            torch.testing.assert_close(result.mask, expected[:, i], atol=1e-4, rtol=0)


def test_export_holds_two_files_and_a_ledger(exported, clap):
    """The settings build classes of this package only."""
    names = {"hyperparams.yaml", "decoder.safetensors", ".speechbrain-lmac.json"}
    assert {path.name for path in exported.iterdir()} == names
    text = (exported / "hyperparams.yaml").read_text()
    assert "!apply" not in text and "!name" not in text
    assert clap.reference.sha256 in text
    tags = [word for word in text.split() if word.startswith("!new:")]
    assert all(tag.startswith("!new:speechbrain_lmac.") for tag in tags)


def test_from_hparams_refuses_another_classifier(exported):
    """The hash of the classifier must agree."""
    file = exported / "hyperparams.yaml"
    lines = [
        "classifier_sha256: '0000'" if line.startswith("classifier_sha256") else line
        for line in file.read_text().splitlines()
    ]
    file.write_text("\n".join(lines))
    with pytest.raises(InputError, match="was trained on the classifier"):
        Interpreter.from_hparams(source=exported, run_opts=CPU)


@pytest.mark.parametrize(
    "line",
    [
        "x: !apply:pathlib.Path.touch [MARKER]",
        "x: !new:subprocess.Popen [touch]",
        "x: !name:os.system",
        "x: !!python/object/apply:os.system [touch]",
        "x: !include:other.yaml",
        "x: [{y: !apply:os.getcwd []}]",
    ],
)
def test_from_hparams_refuses_other_tags(exported, line, tmp_path):
    """A file that would build anything else is refused, and nothing is run."""
    marker = tmp_path / "marker"
    file = exported / "hyperparams.yaml"
    file.write_text(file.read_text() + line.replace("MARKER", str(marker)) + "\n")
    with pytest.raises(InputError, match=r"line \d+: .* is refused"):
        Interpreter.from_hparams(source=exported, run_opts=CPU)
    assert not marker.exists()


def test_from_hparams_refuses_truncated_weights(exported):
    """The error states the format."""
    weights = exported / "decoder.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        Interpreter.from_hparams(source=exported, run_opts=CPU)


@pytest.mark.parametrize("source", ["./gone", "/gone/for/good", "mini", "tests"])
def test_from_hparams_lists_the_pretrained(source):
    """The error names the interpreters in the package."""
    with pytest.raises(InputError, match="mini-mel, mini-stft"):
        Interpreter.from_hparams(source=source, run_opts=CPU)


def test_from_hparams_without_a_network(monkeypatch):
    """The error states that there is no local folder either."""
    with pytest.raises(InputError, match=r"is not available.*not a local folder either"):
        Interpreter.from_hparams(source="nobody/nothing", run_opts=CPU)


def test_from_hparams_after_a_move(exported, tmp_path):
    """An exported folder does not depend on its path."""
    moved = shutil.move(exported, tmp_path / "elsewhere")
    assert Interpreter.from_hparams(source=moved, run_opts=CPU).sample_rate == 32000


def test_load_audio_resamples(interpreter, siren_file, tmp_path):
    """A file at any rate, by path, open, or by its web address, as in SpeechBrain's tutorials."""
    path = tmp_path / "stereo.wav"
    wav = load_audio(siren_file, 44100)
    soundfile.write(path, torch.stack([wav, wav], dim=1).numpy(), 44100)
    expected = interpreter.interpret_file(path, "siren").original
    assert torch.equal(interpreter.load_audio(path), expected)
    with open(path, "rb") as file:
        assert torch.equal(interpreter.load_audio(file), expected)
    with serving(tmp_path) as address:
        assert torch.equal(interpreter.load_audio(f"{address}/stereo.wav"), expected)
        interpreter.load_audio(f"{address}/stereo.wav", savedir=tmp_path / "downloads")
    assert (tmp_path / "downloads" / "stereo.wav").read_bytes() == path.read_bytes()
    (result,) = interpreter(interpreter.load_audio(path)[None], ["siren"])  # forward
    assert torch.equal(result.original, expected)
    with pytest.raises(InputError, match="no such sound file"):
        interpreter.load_audio("./gone.wav")


def test_sounds_have_web_addresses(interpreter, siren_file):
    """A sound on the web is explained under its address, and no copy of it stays."""
    before = set(Path(tempfile.gettempdir()).glob("speechbrain_lmac_*"))
    with serving(siren_file.parent) as address:
        result = interpreter.interpret_file(f"{address}/{siren_file.name}", "siren")
        with pytest.raises(InputError, match=r"gone\.wav"):
            interpreter.classify_file(f"{address}/gone.wav")
    assert result.file == f"{address}/{siren_file.name}"
    assert torch.equal(result.original, interpreter.load_audio(siren_file))
    gc.collect()
    assert set(Path(tempfile.gettempdir()).glob("speechbrain_lmac_*")) <= before


@contextlib.contextmanager
def serving(folder):
    """Serve a folder on the loopback address."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_inherited_methods_refuse_changes(interpreter):
    """Methods that would change the results silently are refused."""
    for change in (interpreter.train, interpreter.half, interpreter.double):
        with pytest.raises(InputError):
            change()
    assert interpreter.eval() is interpreter and interpreter.to("cpu") is interpreter
    assert next(interpreter.parameters()).dtype == torch.float32
    loose = Interpreter.from_hparams(source="mini-mel", freeze_params=False, run_opts=CPU)
    assert not loose.mods.training


def test_interpreter_with_nan_weights(wavs):
    """NaN in the masks is an error, not a table of NaN."""
    broken = Interpreter.from_hparams(source="mini-mel", run_opts=CPU)
    with torch.no_grad():
        broken.model.decoder.head.bias.fill_(torch.nan)
    with pytest.raises(InputError, match="masks of this model must be finite"):
        broken.interpret(wavs[0], "rain")
