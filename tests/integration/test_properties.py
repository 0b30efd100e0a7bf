"""Properties for random inputs: a consistent explanation, or an error of one line."""

import io
from itertools import pairwise

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.checks import is_silent
from speechbrain_lmac.audio.io import PEAK, load_audio
from speechbrain_lmac.audio.overlap_add import OverlapAdd, segments
from speechbrain_lmac.audio.source import AudioSource
from speechbrain_lmac.pretrained.config import PARTS, read_interpreter_config
from speechbrain_lmac.pretrained.finding import PRETRAINED
from speechbrain_lmac.reports.annotations import find_regions
from speechbrain_lmac.utils.errors import InputError

RATES = (8000, 16000, 22050, 44100, 48000)
SLOW = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
QUICK = settings(SLOW, max_examples=150)


@pytest.fixture(scope="module", params=["mini-stft", "mini-mel"])
def interpreter(request):
    """Pretrained interpreters of both masking domains."""
    return Interpreter.from_hparams(source=request.param, run_opts={"device": "cpu"})


@st.composite
def sounds(draw):
    """Draw samples ``[time, channels]`` of any kind and level, and their sample rate."""
    rate = draw(st.sampled_from(RATES))
    shape = (draw(st.integers(1, rate // 2)), draw(st.integers(1, 6)))
    kind = draw(st.sampled_from(["noise", "click", "tone", "constant", "square"]))
    level = 10 ** draw(st.floats(-6, 0.5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    time = np.arange(shape[0])[:, None] / rate
    if kind == "noise":
        samples = rng.standard_normal(shape)
    elif kind == "click":
        samples = np.zeros(shape)
        samples[rng.integers(shape[0])] = 1
    elif kind == "constant":
        samples = np.ones(shape)
    else:
        samples = np.sin(2 * np.pi * rng.uniform(20, rate / 2) * time) * np.ones(shape)
        samples = np.sign(samples) if kind == "square" else samples
    return (level * samples).astype(np.float32), rate


PROMPTS = st.lists(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=40), min_size=1, max_size=3
)
SCRIPTS = [
    "собака лает",
    "犬の鳴き声",
    "صوت المطر",
    "a " * 3000,
    "e\u0301",
    "a\tb\nc",
    "$x^2$",
]


@SLOW
@given(given_sound=sounds())
def test_interpretation_parts_sum_to_clip(interpreter, given_sound):
    """Masked-in part and residual sum to any clip that is not silent."""
    samples, rate = given_sound
    if not (abs(samples.astype(np.float64).mean(axis=1)) > 0).any():
        return
    try:
        result = interpreter.interpret_file(samples, ["rain", "a dog"], sample_rate=rate)
    except InputError as error:
        assert is_silent(torch.from_numpy(samples).mean(dim=1)) and "silence" in str(error)
        return
    scale = result.original.abs().max()
    assert result.waveform.isfinite().all() and result.mask.min() >= 0 and result.mask.max() <= 1
    torch.testing.assert_close(
        (result.waveform + result.residual) / scale, result.original.expand(2, -1) / scale
    )
    assert result.probabilities.sum().item() == pytest.approx(1, abs=1e-5)
    assert ((result.presence >= 0) & (result.presence <= 1)).all()
    assert (result.level_db < 1).all()


@SLOW
@given(prompts=PROMPTS)
def test_any_text_is_explained_or_refused(interpreter, wavs, prompts):
    """Any prompts have finite masks or a known error."""
    try:
        (result,) = interpreter.interpret_batch(wavs[:1], prompts)
    except InputError as error:
        reasons = ("at least one", "must be different", "no token for", "reads no", "are the same")
        assert any(reason in str(error) for reason in reasons)
        return
    assert result.mask.isfinite().all() and len(result.prompts) == len(prompts)


@pytest.mark.parametrize("prompt", SCRIPTS)
def test_prompts_of_many_scripts_are_saved(interpreter, wavs, prompt, tmp_path):
    """Any script and length gives a valid file name."""
    (result,) = interpreter.interpret_batch(wavs[:1], [prompt])
    (path,) = result.save(tmp_path)
    assert load_audio(path, 32000).abs().max() <= PEAK + 2**-15


@QUICK
@given(length=st.integers(1, 400), step=st.integers(1, 60), blocks=st.integers(1, 90))
def test_overlap_add_restores_any_length(length, step, blocks):
    """Segments of any length and blocks of any size sum to the input."""
    sound, overlap_add = torch.arange(float(length)), OverlapAdd(step)
    parts = [overlap_add(w, w.wav) for w in segments(sound.split(blocks), step)]
    torch.testing.assert_close(torch.cat(parts), sound, atol=1e-3, rtol=0)


@QUICK
@given(
    activity=arrays(np.float32, st.integers(1, 60), elements=st.floats(0, 1, width=32)),
    threshold=st.floats(0.01, 1),
    gap=st.floats(0, 2),
)
def test_regions_contain_all_activity(activity, threshold, gap):
    """Regions cover all steps above the threshold and are separated by more than the gap."""
    values = torch.from_numpy(activity)
    bands = torch.tensor([[100.0], [200.0]]).expand(2, len(values))
    regions = find_regions("x", values, bands, 0.1, threshold, gap)
    inside = np.zeros(len(values), bool)
    for region in regions:
        inside[round(region.start * 10) : round(region.stop * 10)] = True
    assert inside[activity >= np.float32(threshold)].all()
    for region, following in pairwise(regions):
        assert following.start - region.stop > gap - 1e-6


def files():
    """Yield small sound files of several formats."""
    samples = np.sin(np.arange(4000) / 9).astype(np.float32) / 2
    for kind, subtype in (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", None)):
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, 16000, format=kind, subtype=subtype)
        yield buffer.getvalue()


FILES = list(files())


@QUICK
@given(
    which=st.integers(0, len(FILES) - 1),
    changes=st.lists(st.tuples(st.integers(0, 3999), st.integers(0, 255)), max_size=20),
    end=st.integers(0, 6000),
)
def test_broken_file_is_read_or_refused(tmp_path_factory, which, changes, end):
    """Truncated files with changed bytes have finite samples or an error of one line."""
    content = bytearray(FILES[which])
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path_factory.mktemp("broken") / "a.sound"
    path.write_bytes(content[:end])
    for read in (
        lambda: AudioSource(path).read(32000),
        lambda: list(AudioSource(path).blocks(32000)),
    ):
        try:
            samples = read()
        except InputError as error:
            assert len(str(error).splitlines()) == 1
        else:
            parts = samples if isinstance(samples, list) else [samples]
            assert all(part.isfinite().all() for part in parts)


VALID = (PRETRAINED / "mini-mel" / "hyperparams.yaml").read_text()
PIECES = st.sampled_from(
    [
        *("!apply:", "!new:", "!name:", "!!python/object/apply:os.system", "!ref", "<clap>", "*a"),
        *("&a", "<<: ", "{", "}", "[", "]", ": ", "- ", "? ", "|", ">", "'", '"', "\n", "\t", "#"),
        *("---", "...", "%TAG ! !apply:", "\x85", "\u2028", "\x00", "~", "1e9", "010", "0x1F"),
    ]
)


@settings(QUICK, max_examples=400)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(VALID)), PIECES | st.text(max_size=6), st.integers(0, 9)),
        min_size=1,
        max_size=4,
    )
)
def test_changed_config_is_valid_or_refused(changes):
    """A changed settings file describes known parts with plain values, or is refused."""
    text = VALID
    for place, piece, removed in changes:
        text = text[:place] + piece + text[place + removed :]
    try:
        config = read_interpreter_config(text, "it", downloaded=True)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
        return
    assert set(config.parts) == set(PARTS)
    assert all(part.kind in PARTS[name][0] for name, part in config.parts.items())
    for part in config.parts.values():
        values = [v for value in part.settings.values() for v in np.atleast_1d(value).tolist()]
        assert all(isinstance(value, (str, int, float, bool, type(None))) for value in values)
