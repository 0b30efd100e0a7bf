"""Inputs of the interpreter, and properties of its explanations."""

import pytest
import soundfile
import torch

from speechbrain_lmac.data.synthetic import mixture, synthesize
from speechbrain_lmac.inference.clip import fade_gains
from speechbrain_lmac.metrics.faithfulness import si_sdr
from speechbrain_lmac.utils.errors import InputError
from tests.unit.inference.conftest import PROMPTS, questions


def test_waveform_and_residual_add_up(any_interpreter, wavs):
    """The waveform is the faded masked-in part; the residual completes the clip."""
    prompts = questions(any_interpreter, "siren", "rain")
    for clip, result in zip(wavs, any_interpreter.interpret_batch(wavs, prompts)):
        torch.testing.assert_close(result.original, clip)
        domain = any_interpreter.model.classifier.domain
        filtered = domain.audio_classifier.without_offset(clip)[None]
        masked_in = domain.apply_mask(filtered, result.mask.unsqueeze(1)).squeeze(1)
        gains = fade_gains(result.presence, result.absent, result.min_presence)
        faded = gains[:, None] * masked_in
        torch.testing.assert_close(result.waveform, faded, atol=1e-5, rtol=0)
        torch.testing.assert_close(result.residual, clip - faded, atol=1e-5, rtol=0)
        assert result.similarity[result.target] == result.similarity.max()


@pytest.mark.parametrize("classes", [("clock_alarm", "engine"), ("chirping_birds", "engine")])
def test_each_prompt_extracts_its_source(interpreter, classes):
    """The SI-SDR with the source of each prompt is higher than that of the mixture."""
    scene = mixture(*classes, seed=77)
    prompts = [f"this is the sound of {name.replace('_', ' ')}" for name in classes]
    (result,) = interpreter.interpret_batch(scene.mixture.unsqueeze(0), prompts)
    for masked_in, source in zip(result.waveform, (scene.first, scene.second)):
        assert si_sdr(masked_in, source) > si_sdr(scene.mixture, source)


def test_interpret_file_accepts_one_prompt(any_interpreter, siren_file):
    """A string is a list of one prompt."""
    prompts = questions(any_interpreter, "siren", "rain")
    result = any_interpreter.interpret_file(siren_file, prompts[0])
    assert result.prompts == (prompts[0],)
    assert result.waveform.shape[0] == result.mask.shape[0] == 1


@pytest.mark.parametrize("rate, channels", [(8000, 1), (44100, 2), (48000, 6)])
@pytest.mark.parametrize("seconds", [0.02, 7.3])
def test_interpret_file_accepts_any_format(any_interpreter, tmp_path, rate, channels, seconds):
    """Any rate, number of channels and length."""
    prompts = questions(any_interpreter, "siren", "rain")
    noise = 0.1 * torch.randn(round(rate * seconds), channels)
    soundfile.write(tmp_path / "odd.wav", noise.numpy(), rate)
    result = any_interpreter.interpret_file(tmp_path / "odd.wav", prompts)
    assert result.waveform.shape == (2, len(result.original))
    assert len(result.original) == pytest.approx(seconds * any_interpreter.sample_rate, abs=1)
    assert result.waveform.isfinite().all()


def test_interpret_file_reads_arrays_and_files(any_interpreter, siren_file):
    """Arrays, tensors, open files and paths give the same explanation."""
    prompts = questions(any_interpreter, "siren", "rain")
    samples, rate = soundfile.read(siren_file, dtype="int16")
    expected = any_interpreter.interpret_file(siren_file, prompts)
    with open(siren_file, "rb") as file:
        for result in (
            any_interpreter.interpret_file(samples, prompts, sample_rate=rate),
            any_interpreter.interpret_file(torch.from_numpy(samples), prompts, sample_rate=rate),
            any_interpreter.interpret_file(file, prompts),
        ):
            torch.testing.assert_close(result.waveform, expected.waveform, atol=1e-5, rtol=0)


def test_interpret_batch_converts_doubles(any_interpreter, wavs):
    """Doubles are converted to floats; integers are refused."""
    prompts = questions(any_interpreter, "siren", "rain")
    (expected,) = any_interpreter.interpret_batch(wavs[:1], prompts)
    (result,) = any_interpreter.interpret_batch(wavs[:1].double(), prompts)
    torch.testing.assert_close(result.waveform, expected.waveform)
    with pytest.raises(InputError, match=r"int16\. Divide"):
        any_interpreter.interpret_batch((wavs[:1] * 2**15).short(), prompts)


def test_interpret_refuses_a_prompt_given_twice(interpreter, wavs):
    """The error names the prompt."""
    with pytest.raises(InputError, match="must be different, got 'rain' twice"):
        interpreter.interpret_batch(wavs[:1], ["rain", "a dog", "rain"])


def test_classify_file_agrees_with_interpret(interpreter, siren_file):
    """The probabilities of two labels are those of two prompts."""
    result = interpreter.classify_file(siren_file)
    assert len(result.labels) == 50 and result.best == "siren"
    expected = interpreter.interpret_file(siren_file, PROMPTS)
    two = interpreter.classify_file(siren_file, ["siren", "rain"])
    torch.testing.assert_close(two.probabilities, expected.probabilities)
    with pytest.raises(InputError, match="labels must be at least two"):
        interpreter.classify_file(siren_file, ["siren"])


def test_against_suppresses_the_other_source(interpreter):
    """A contrast between the two sources of a mixture contains less of the other source."""
    scene = mixture("clock_alarm", "engine", seed=77)
    alarm, engine = (f"this is the sound of {name}" for name in ("clock alarm", "engine"))
    wavs = scene.mixture.unsqueeze(0)
    (first,) = interpreter.interpret_batch(wavs, [alarm], against=engine)
    (second,) = interpreter.interpret_batch(wavs, [engine], against=alarm)
    torch.testing.assert_close(first.probabilities, 1 - second.probabilities)
    for result in (first, second):
        scores = result.scores
        assert scores["probability_masked_in"] > scores["probability_masked_out"]
    assert si_sdr(first.waveform[0], scene.first) > si_sdr(second.waveform[0], scene.first) + 3
    with pytest.raises(InputError, match="must differ in meaning"):
        interpreter.interpret_batch(wavs, [alarm], against=alarm)


def test_interpret_batch_ignores_padding(any_interpreter, wavs):
    """Relative lengths mark the padding, as in SpeechBrain."""
    prompts = questions(any_interpreter, "siren", "rain")
    padded = torch.nn.functional.pad(wavs[:1], (0, 32000))
    (expected,) = any_interpreter.interpret_batch(wavs[:1], prompts)
    (result,) = any_interpreter.interpret_batch(padded, prompts, wav_lens=torch.tensor([0.5]))
    torch.testing.assert_close(result.waveform, expected.waveform)


@pytest.mark.parametrize("prompts", [[], "", ["siren", " "]])
def test_interpret_file_refuses_empty_prompts(any_interpreter, siren_file, prompts):
    """No prompt, an empty one, or one of spaces."""
    with pytest.raises(InputError, match="at least one prompt"):
        any_interpreter.interpret_file(siren_file, prompts)


def test_interpret_batch_refuses_silence(any_interpreter):
    """Digital silence has no prediction to explain."""
    prompts = questions(any_interpreter, "siren", "rain")
    with pytest.raises(InputError, match="all silence"):
        any_interpreter.interpret_batch(torch.zeros(1, 32000), prompts)


def test_interpret_batch_refuses_one_dimension(any_interpreter):
    """The error states the shape."""
    prompts = questions(any_interpreter, "siren", "rain")
    with pytest.raises(InputError, match=r"\[batch, time\], got \[32000\]"):
        any_interpreter.interpret_batch(synthesize("siren", 0)[:32000], prompts)


@pytest.mark.parametrize("lengths", [[1.0, 0.5], [1.0, 0.5, 0.5, 0.5], [1.0, 2.0, 1.0], [1, 0, 1]])
def test_interpret_batch_checks_wav_lens(any_interpreter, wavs, lengths):
    """One fraction above 0 and at most 1 for each clip."""
    prompts = questions(any_interpreter, "siren", "rain")
    assert len(wavs) == 3
    with pytest.raises(InputError, match="wav_lens must be 3 fractions"):
        any_interpreter.interpret_batch(wavs, prompts, wav_lens=torch.tensor(lengths))


@pytest.mark.parametrize(
    ("wav", "prompts", "message"),
    [
        (torch.zeros(32000), "rain", "all silence"),
        (torch.full((32000,), torch.nan), "rain", "NaN"),
        (torch.ones(1, 32000), "rain", r"\[time\], got \[1, 32000\]"),
        (torch.ones(32000), [], "at least one prompt"),
    ],
)
def test_interpret_checks_its_arguments(any_interpreter, wav, prompts, message):
    """Silence, NaN, a batch, and no prompts."""
    with pytest.raises(InputError, match=message):
        any_interpreter.interpret(wav, prompts)


def test_interpret_accepts_one_prompt(any_interpreter, wavs):
    """A string is a list of one prompt."""
    (prompt,) = any_interpreter.audio_classifier.spell(["rain"])
    assert any_interpreter.interpret(wavs[0], "rain").prompts == (prompt,)


def test_interpreter_with_a_double_default_dtype(interpreter, siren_file, tmp_path):
    """The default dtype and gradients of the calling program do not change results."""
    expected = interpreter.interpret_file(siren_file, ["a wailing hound"])
    torch.set_default_dtype(torch.float64)
    try:
        result = interpreter.interpret_file(siren_file, ["a wailing hound"])
        result.save(tmp_path)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(result.waveform, expected.waveform)
    wav = result.original.clone().requires_grad_()
    (again,) = interpreter.interpret_batch(wav[None], ["a wailing hound"])
    assert torch.equal(again.waveform, expected.waveform)


def test_interpreter_reports_invalid_arguments(interpreter, wavs, siren_file, tmp_path):
    """Invalid prompts, waveforms, thresholds and folders are InputErrors."""
    for call in (
        lambda: interpreter.interpret(wavs[0], 3),
        lambda: interpreter.interpret(wavs[0], "rain", against=["dog", "cat"]),
        lambda: interpreter.interpret(wavs[0] + 0j, "rain"),
        lambda: interpreter.interpret_batch([[0.0, 1.0], [1.0]], "rain"),
        lambda: interpreter.interpret_batch(wavs, "rain", wav_lens=["x"]),
        lambda: interpreter.interpret_recording(siren_file, "rain", tmp_path, threshold=5),
        lambda: interpreter.interpret_recording(siren_file, "rain", tmp_path, merge_gap=-1),
        lambda: interpreter.interpret(wavs[0], "rain").rows(min_duration=float("nan")),
        lambda: interpreter.interpret_recording(siren_file, "rain", ""),
        lambda: interpreter.interpret(wavs[0], "rain").save(""),
        lambda: interpreter.interpret(wavs[0], "rain").rows(float("nan")),
    ):
        with pytest.raises(InputError):
            call()
    assert interpreter.interpret(wavs[0].numpy(), "rain").prompts == ("rain",)
