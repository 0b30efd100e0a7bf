"""Loading and explaining. Untrained decoders stand for plumbing; the shipped ones are real."""

import contextlib
import functools
import http.server
import json
import pickle
import shutil
import threading

import pytest
import soundfile
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.data.synthetic import mixture, synthesize
from speechbrain_lmac.inference.interpretation import audible
from speechbrain_lmac.metrics.faithfulness import si_sdr
from speechbrain_lmac.pretrained.export import export_interpreter
from speechbrain_lmac.utils.errors import InputError

CPU = {"device": "cpu"}
PROMPTS = ["this is the sound of siren", "this is the sound of rain"]


@pytest.fixture(scope="session", params=["mini-stft", "mini-mel"])
def interpreter(request):
    return Interpreter.from_hparams(source=request.param, run_opts=CPU)


@pytest.fixture
def exported(model, tmp_path):
    return export_interpreter(model, "LMAC-ZS", tmp_path / "results" / "interpreter")


def test_a_results_folder_gives_the_same_mask_back(model, exported, wavs):
    encoded = model.classifier.encode_clips(model.classifier.audio_classifier.without_offset(wavs))
    text = model.classifier.audio_classifier.queries(PROMPTS)
    expected = model(encoded, text.unsqueeze(1)).detach()
    for source in (exported, exported.parent, str(exported.parent)):
        loaded = Interpreter.from_hparams(source=source, run_opts=CPU)
        for i, why in enumerate(loaded.interpret_batch(wavs, PROMPTS)):
            torch.testing.assert_close(why.mask, expected[:, i], atol=1e-4, rtol=0)


def test_the_exported_folder_holds_no_more_than_it_should(exported, clap):
    names = {"hyperparams.yaml", "decoder.safetensors", ".speechbrain-lmac.json"}
    assert {path.name for path in exported.iterdir()} == names
    text = (exported / "hyperparams.yaml").read_text()
    assert "!apply" not in text and "!name" not in text
    assert clap.reference.sha256 in text
    tags = [word for word in text.split() if word.startswith("!new:")]
    assert all(tag.startswith("!new:speechbrain_lmac.") for tag in tags)


def test_another_claps_interpreter_is_refused(exported):
    file = exported / "hyperparams.yaml"
    lines = [
        "classifier_sha256: '0000'" if line.startswith("classifier_sha256") else line
        for line in file.read_text().splitlines()
    ]
    file.write_text("\n".join(lines))
    with pytest.raises(InputError, match="was trained on the CLAP"):
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
def test_a_file_that_builds_anything_else_is_refused_unread(exported, line, tmp_path):
    marker = tmp_path / "marker"
    file = exported / "hyperparams.yaml"
    file.write_text(file.read_text() + line.replace("MARKER", str(marker)) + "\n")
    with pytest.raises(InputError, match=r"line \d+: .* is refused"):
        Interpreter.from_hparams(source=exported, run_opts=CPU)
    assert not marker.exists()


def test_torn_weights_are_refused(exported):
    weights = exported / "decoder.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        Interpreter.from_hparams(source=exported, run_opts=CPU)


@pytest.mark.parametrize("source", ["./gone", "/gone/for/good", "mini", "tests"])
def test_a_source_that_is_not_there_names_what_is(source):
    with pytest.raises(InputError, match="mini-mel, mini-stft"):
        Interpreter.from_hparams(source=source, run_opts=CPU)


def test_a_hub_id_without_the_hub(monkeypatch):
    with pytest.raises(InputError, match=r"cannot be had.*no folder here either"):
        Interpreter.from_hparams(source="nobody/nothing", run_opts=CPU)


def test_explanation_and_residual_are_the_clip(interpreter, wavs):
    for clip, why in zip(wavs, interpreter.interpret_batch(wavs, PROMPTS)):
        torch.testing.assert_close(why.original, clip)
        domain = interpreter.model.classifier.domain
        kept = domain.apply_mask(
            domain.audio_classifier.without_offset(clip)[None], why.mask.unsqueeze(1)
        ).squeeze(1)
        faded = audible(why.presence, why.absent)[:, None] * kept
        torch.testing.assert_close(why.waveform, faded, atol=1e-5, rtol=0)
        torch.testing.assert_close(why.residual, clip - faded, atol=1e-5, rtol=0)
        assert why.probabilities.sum().item() == pytest.approx(1)
        assert why.similarity[why.target] == why.similarity.max()


@pytest.mark.parametrize("kinds", [("clock_alarm", "engine"), ("chirping_birds", "engine")])
def test_each_prompt_brings_out_its_own_sound(interpreter, kinds):
    scene = mixture(*kinds, seed=77)
    prompts = [f"this is the sound of {kind.replace('_', ' ')}" for kind in kinds]
    (why,) = interpreter.interpret_batch(scene.mixture.unsqueeze(0), prompts)
    for heard, stem in zip(why.waveform, (scene.first, scene.second)):
        assert si_sdr(heard, stem) > si_sdr(scene.mixture, stem)


def test_one_prompt_as_a_string(interpreter, siren_file):
    why = interpreter.interpret_file(siren_file, PROMPTS[0])
    assert why.prompts == (PROMPTS[0],)
    assert why.waveform.shape[0] == why.mask.shape[0] == 1


@pytest.mark.parametrize("rate, channels", [(8000, 1), (44100, 2), (48000, 6)])
@pytest.mark.parametrize("seconds", [0.02, 7.3])
def test_any_rate_channels_and_length(interpreter, tmp_path, rate, channels, seconds):
    noise = 0.1 * torch.randn(round(rate * seconds), channels)
    soundfile.write(tmp_path / "odd.wav", noise.numpy(), rate)
    why = interpreter.interpret_file(tmp_path / "odd.wav", PROMPTS)
    assert why.waveform.shape == (2, len(why.original))
    assert len(why.original) == pytest.approx(seconds * interpreter.sample_rate, abs=1)
    assert why.waveform.isfinite().all()


def test_arrays_open_files_and_paths_are_explained_alike(interpreter, siren_file):
    samples, rate = soundfile.read(siren_file, dtype="int16")
    expected = interpreter.interpret_file(siren_file, PROMPTS)
    with open(siren_file, "rb") as file:
        for why in (
            interpreter.interpret_file(samples, PROMPTS, sample_rate=rate),
            interpreter.interpret_file(torch.from_numpy(samples), PROMPTS, sample_rate=rate),
            interpreter.interpret_file(file, PROMPTS),
        ):
            torch.testing.assert_close(why.waveform, expected.waveform, atol=1e-5, rtol=0)


def test_samples_of_other_types_are_explained_or_refused(interpreter, wavs):
    (expected,) = interpreter.interpret_batch(wavs[:1], PROMPTS)
    (why,) = interpreter.interpret_batch(wavs[:1].double(), PROMPTS)
    torch.testing.assert_close(why.waveform, expected.waveform)
    with pytest.raises(InputError, match=r"int16\. Divide"):
        interpreter.interpret_batch((wavs[:1] * 2**15).short(), PROMPTS)


def test_a_prompt_given_twice_is_refused(interpreter, wavs):
    with pytest.raises(InputError, match="'rain' is given twice"):
        interpreter.interpret_batch(wavs[:1], ["rain", "a dog", "rain"])


def test_a_choice_is_the_claps_own(interpreter, siren_file):
    heard = interpreter.classify_file(siren_file)
    assert len(heard.names) == 50 and heard.best == "siren"
    why = interpreter.interpret_file(siren_file, PROMPTS)
    two = interpreter.classify_file(siren_file, ["siren", "rain"])
    torch.testing.assert_close(two.probabilities, why.probabilities)
    with pytest.raises(InputError, match="at least two names"):
        interpreter.classify_file(siren_file, ["siren"])


def test_why_this_and_not_that(interpreter):
    """Of a mixture, what tells one from the other holds less of the other."""
    scene = mixture("clock_alarm", "engine", seed=77)
    alarm, engine = (f"this is the sound of {kind}" for kind in ("clock alarm", "engine"))
    (why,) = interpreter.interpret_batch(scene.mixture.unsqueeze(0), [alarm], against=engine)
    (other,) = interpreter.interpret_batch(scene.mixture.unsqueeze(0), [engine], against=alarm)
    torch.testing.assert_close(why.probabilities, 1 - other.probabilities)
    assert why.scores["q"] > why.scores["r"] and other.scores["q"] > other.scores["r"]
    assert si_sdr(why.waveform[0], scene.first) > si_sdr(other.waveform[0], scene.first) + 3
    with pytest.raises(InputError, match="there is no difference"):
        interpreter.interpret_batch(scene.mixture.unsqueeze(0), [alarm], against=alarm)


def test_a_prompt_that_is_not_there_is_said_to_be_absent(interpreter, siren_file):
    why = interpreter.interpret_file(siren_file, ["the sound of siren", "the sound of dog"])
    assert why.presence[0] > 0.5 and why.presence[1] < 0.01
    (warning,) = [said for said in why.warnings if "absent" in said]
    assert "the sound of dog" in warning
    assert why.absent.tolist() == [False, True]
    assert why.level_db[1] < -20 < why.level_db[0]


def test_what_is_heard_in_a_sound_is_what_the_clap_says_of_it(interpreter, siren_file):
    why = interpreter.interpret_file(siren_file, PROMPTS)
    heard = why.heard_in(why.original.expand(2, -1))
    torch.testing.assert_close(heard.logit, why.similarity, atol=1e-3, rtol=0)
    torch.testing.assert_close(heard.share, why.probabilities, atol=1e-4, rtol=0)
    torch.testing.assert_close(heard.presence, why.presence, atol=1e-4, rtol=0)


def test_explanations_are_no_louder_than_the_clip(interpreter, wavs):
    for why in interpreter.interpret_batch(wavs, [*PROMPTS, "the sound of dog"]):
        assert why.level_db.max() < 1


def test_padding_is_left_out(interpreter, wavs):
    padded = torch.nn.functional.pad(wavs[:1], (0, 32000))
    (alone,) = interpreter.interpret_batch(wavs[:1], PROMPTS)
    (cut,) = interpreter.interpret_batch(padded, PROMPTS, wav_lens=torch.tensor([0.5]))
    torch.testing.assert_close(cut.waveform, alone.waveform)


def test_saved_folder(interpreter, wavs, tmp_path):
    (why,) = interpreter.interpret_batch(3 * wavs[2:], PROMPTS)  # loud enough to clip
    paths = why.save(tmp_path / "out")
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    rate = interpreter.sample_rate
    original = load_audio(tmp_path / "out" / "original.wav", rate)
    for path, waveform, row in zip(paths, why.waveform, scores["prompts"]):
        explanation = load_audio(path, rate)
        residual = load_audio(str(path).replace("explanation", "residual"), rate)
        assert explanation.abs().max() <= 0.99 + 2**-15
        torch.testing.assert_close(explanation, scores["gain"] * waveform, atol=2**-15, rtol=0)
        torch.testing.assert_close(explanation + residual, original, atol=3 * 2**-15, rtol=0)
        assert 0 <= row["probability_of_explanation"] <= 1
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000
    assert [row["prompt"] for row in scores["prompts"]] == PROMPTS


def test_prompts_alike_in_name_do_not_overwrite_each_other(interpreter, wavs, tmp_path):
    (why,) = interpreter.interpret_batch(wavs[:1], ["rain", "rain!", "rain?"])
    assert len(set(why.save(tmp_path))) == 3


@pytest.mark.parametrize("prompts", [[], "", ["siren", " "]])
def test_empty_prompts(interpreter, siren_file, prompts):
    with pytest.raises(InputError, match="at least one prompt"):
        interpreter.interpret_file(siren_file, prompts)


def test_silence_is_refused(interpreter):
    with pytest.raises(InputError, match="all silence"):
        interpreter.interpret_batch(torch.zeros(1, 32000), PROMPTS)


def test_one_dimension_is_refused(interpreter):
    with pytest.raises(InputError, match=r"\[batch, time\], not \[32000\]"):
        interpreter.interpret_batch(synthesize("siren", 0)[:32000], PROMPTS)


@pytest.mark.parametrize("shares", [[1.0, 0.5], [1.0, 0.5, 0.5, 0.5], [1.0, 2.0, 1.0], [1, 0, 1]])
def test_lengths_that_are_not_the_clips_are_refused(interpreter, wavs, shares):
    assert len(wavs) == 3
    with pytest.raises(InputError, match="wav_lens are 3 shares"):
        interpreter.interpret_batch(wavs, PROMPTS, wav_lens=torch.tensor(shares))


@pytest.mark.parametrize(
    ("wav", "prompts", "said"),
    [
        (torch.zeros(32000), "rain", "all silence"),
        (torch.full((32000,), torch.nan), "rain", "NaN"),
        (torch.ones(1, 32000), "rain", r"\[time\], not \[1, 32000\]"),
        (torch.ones(32000), [], "at least one prompt"),
    ],
)
def test_one_clip_is_checked_too(interpreter, wav, prompts, said):
    with pytest.raises(InputError, match=said):
        interpreter.interpret(wav, prompts)


def test_a_prompt_of_one_clip_is_no_list_of_letters(interpreter, wavs):
    assert interpreter.interpret(wavs[0], "rain").prompts == ("rain",)


def test_what_was_used_is_no_larger_to_pickle(interpreter, wavs):
    """Known prompts are rows of a table, and each brought all of it along."""
    (why,) = interpreter.interpret_batch(wavs[:1], "the sound of rain")
    held = pickle.dumps(why)
    assert len(held) < 2e8  # the sentence encoder may be in it, once
    torch.testing.assert_close(pickle.loads(held).waveform, why.waveform)


def test_a_folder_moved_elsewhere_still_loads(exported, tmp_path):
    moved = shutil.move(exported, tmp_path / "elsewhere")
    assert Interpreter.from_hparams(source=moved, run_opts=CPU).sample_rate == 32000


def test_interpreter_load_audio_is_at_its_rate(interpreter, siren_file, tmp_path):
    """SpeechBrain's first line: a file at any rate, by path, open, or by its web address."""
    path = tmp_path / "stereo.wav"
    wav = load_audio(siren_file, 44100)
    soundfile.write(path, torch.stack([wav, wav], dim=1).numpy(), 44100)
    expected = interpreter.interpret_file(path, "siren").original
    assert torch.equal(interpreter.load_audio(path), expected)
    with open(path, "rb") as file:
        assert torch.equal(interpreter.load_audio(file), expected)
    with serving(tmp_path) as address:
        assert torch.equal(interpreter.load_audio(f"{address}/stereo.wav"), expected)
        interpreter.load_audio(f"{address}/stereo.wav", savedir=tmp_path / "kept")
    assert (tmp_path / "kept" / "stereo.wav").read_bytes() == path.read_bytes()
    (why,) = interpreter(interpreter.load_audio(path)[None], ["siren"])  # forward
    assert torch.equal(why.original, expected)
    with pytest.raises(InputError, match="no such sound file"):
        interpreter.load_audio("./gone.wav")


@contextlib.contextmanager
def serving(folder):
    """The address of a server of a folder on loopback."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_interpreter_inherited_methods_refuse(interpreter):
    """What would change answers without a word says why it does not."""
    for change in (interpreter.train, interpreter.half, interpreter.double):
        with pytest.raises(InputError):
            change()
    assert interpreter.eval() is interpreter and interpreter.to("cpu") is interpreter
    assert next(interpreter.parameters()).dtype == torch.float32
    for name, value in (("hparams_file", "other.yaml"), ("download_only", True)):
        with pytest.raises(InputError, match=name if name == "download_only" else "hparams_file"):
            Interpreter.from_hparams(source="mini-mel", **{name: value})
    loose = Interpreter.from_hparams(source="mini-mel", freeze_params=False, run_opts=CPU)
    assert not loose.mods.training


@pytest.mark.parametrize("hum", [0.0, 12.0])
def test_interpreter_offset_and_hum_do_not_count(interpreter, siren_file, hum):
    """Energy below the lowest band changes neither regions, activity nor levels."""
    wav = 0.4 * load_audio(siren_file, 32000)
    time = torch.arange(len(wav)) / 32000
    offset = 0.5 * torch.cos(2 * torch.pi * hum * time)
    clean = interpreter.interpret(wav, ["siren"])
    shifted = interpreter.interpret(wav + offset, ["siren"])
    assert (wav + offset).square().mean() > 3 * wav.square().mean()
    torch.testing.assert_close(shifted.presence, clean.presence, atol=0.05, rtol=0)
    torch.testing.assert_close(
        shifted.timeline.evidence, clean.timeline.evidence, atol=0.15, rtol=0
    )
    torch.testing.assert_close(shifted.level_db, clean.level_db, atol=1.0, rtol=0)
    assert len(shifted.timeline.regions()) == len(clean.timeline.regions()) > 0


def test_interpreter_contrast_that_fails_is_said(interpreter, siren_file, monkeypatch, tmp_path):
    """A mask that keeps what favors the other prompt has no regions, in files and windows."""
    wav, forward = load_audio(siren_file, 32000), type(interpreter.model).forward

    def opposite(self, encoded, asked):
        return 1 - forward(self, encoded, asked)

    good = interpreter.interpret(wav, ["siren"], against="rain")
    assert good.contrast_holds.all() and good.timeline.regions()
    monkeypatch.setattr(type(interpreter.model), "forward", opposite)
    bad = interpreter.interpret(wav, ["rain"], against="siren")
    bad = (
        bad
        if not bad.contrast_holds.all()
        else interpreter.interpret(wav, ["siren"], against="rain")
    )
    assert not bad.contrast_holds.any() and not bad.timeline.regions()
    assert any("favors" in said and "no regions" in said for said in bad.warnings)
    long = interpreter.interpret_file(
        wav, list(bad.prompts), bad.against, sample_rate=32000, save_to=tmp_path / "why"
    )
    assert not long.regions() and load_silence(long.files[0])


def load_silence(path):
    """Whether a wav file holds nothing but zeros."""
    return not soundfile.read(path)[0].any()


def test_interpreter_weights_that_give_no_numbers(wavs):
    """NaN after the model is an error by name, not a table of NaN."""
    broken = Interpreter.from_hparams(source="mini-mel", run_opts=CPU)
    with torch.no_grad():
        broken.model.decoder.head.bias.fill_(torch.nan)
    with pytest.raises(InputError, match="masks of this model are not finite"):
        broken.interpret(wavs[0], "rain")


def test_interpreter_under_other_default_type(interpreter, siren_file, tmp_path):
    """A program around it may compute in double precision, and keep gradients."""
    expected = interpreter.interpret_file(siren_file, ["a wailing hound"])
    torch.set_default_dtype(torch.float64)
    try:
        why = interpreter.interpret_file(siren_file, ["a wailing hound"])
        why.save(tmp_path)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(why.waveform, expected.waveform)
    wav = why.original.clone().requires_grad_()
    (again,) = interpreter.interpret_batch(wav[None], ["a wailing hound"])
    assert torch.equal(again.waveform, expected.waveform)


def test_interpreter_refuses_what_is_no_question(interpreter, wavs, siren_file, tmp_path):
    """One sentence for prompts, waves, thresholds and folders that cannot be meant."""
    for call in (
        lambda: interpreter.interpret(wavs[0], None),
        lambda: interpreter.interpret(wavs[0], "rain", against=["dog", "cat"]),
        lambda: interpreter.interpret(wavs[0] + 0j, "rain"),
        lambda: interpreter.interpret_batch([[0.0, 1.0], [1.0]], "rain"),
        lambda: interpreter.interpret_batch(wavs, "rain", wav_lens=["x"]),
        lambda: interpreter.interpret_file(siren_file, "rain", threshold=5),
        lambda: interpreter.interpret_file(siren_file, "rain", save_to=""),
        lambda: interpreter.interpret(wavs[0], "rain").save(""),
        lambda: interpreter.interpret(wavs[0], "rain").rows(float("nan")),
    ):
        with pytest.raises(InputError):
            call()
    assert interpreter.interpret(wavs[0].numpy(), "rain").prompts == ("rain",)


@pytest.mark.parametrize(("gain", "said"), [(1e-4, "very quiet"), (1, None), (25, "very loud")])
def test_interpreter_level_far_from_training_is_said(interpreter, wavs, gain, said):
    """A sound 80 dB down is called absent; the listener learns of its level."""
    wav = gain * wavs[0] / wavs[0].abs().max()
    notes = [
        note for note in interpreter.interpret(wav, "siren").warnings if "sound is very" in note
    ]
    assert len(notes) == (said is not None) and all(said in note for note in notes)
