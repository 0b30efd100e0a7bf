"""Adapters of published CLAPs equal the upstream code, from the waveform, with random weights.

Random weights test the plumbing, not the accuracy of the models.
"""

from contextlib import contextmanager
from functools import cache
from unittest import mock

import pytest
import torch
from torchaudio.functional import melscale_fbanks

from speechbrain_lmac.audio.io import resample
from speechbrain_lmac.data.synthetic import mixture
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from tests.helpers import oracles

LOG_MEL_DB = 1e-3
"""Tolerance of log-mel spectrograms, in dB."""
EMBEDDING = 1e-5
"""Tolerance of unit vectors."""
BATCHED = 3
SECONDS = [BATCHED, 5, 10, 23]
SLOW = {"laion-pann": pytest.mark.exhaustive}
"""Adapters that take minutes in bfloat16 where the CPU emulates it."""
PROMPTS = ["this is the sound of dog", "rain", "a recording of a much longer sentence than that"]


@pytest.fixture(scope="module")
def clips(oracle):
    """Duration in seconds -> a clip at the sample rate of the CLAP, or two clips of 3 s."""

    def mixtures(seconds):
        seeds = (3, 4) if seconds == BATCHED else (3,)
        wavs = [mixture("siren", "rain", seed=s, seconds=seconds).mixture for s in seeds]
        return torch.stack([resample(wav, 32000, oracle.clap.sample_rate) for wav in wavs])

    return {seconds: mixtures(seconds) for seconds in (1, *SECONDS)}


@pytest.fixture(scope="module")
def expected(oracle, clips):
    """Duration in seconds -> embeddings of the upstream model, cached."""

    @cache
    @torch.no_grad()
    def embeddings(seconds):
        return oracle.embed(clips[seconds])

    return embeddings


def log_mel_error(oracle, wavs):
    """Return the largest difference of log-mel spectrograms, in dB."""
    clap = oracle.clap
    ours = clap.log_mel(clap.mel(clap.stft(wavs).abs().square()))
    with torch.no_grad():
        return (ours - oracle.log_mel(wavs)).abs().max().item()


@torch.no_grad()
def embedding_error(oracle, wavs, upstream):
    """Return the largest difference of embeddings."""
    return (oracle.clap(wavs).vector - upstream).abs().max().item()


@contextmanager
def wrong_lowest_frequency(oracle):
    """Replace the lowest frequency of the mel bands by 0 Hz."""
    clap = oracle.clap
    bins, bands = clap.filterbank.shape
    wrong = melscale_fbanks(bins, 0.0, 14000.0, bands, clap.sample_rate, "slaney", "slaney")
    with mock.patch.object(clap, "filterbank", wrong):
        yield


@contextmanager
def silence_for_repetition(oracle):
    """Pad short clips with zeros instead of repetitions."""
    with mock.patch.object(oracle.clap.window, "repeats", lambda samples: 1):
        yield


@contextmanager
def no_bn0(oracle):
    """Skip the first batch normalization."""
    name = "batch_norm" if hasattr(oracle.branch, "batch_norm") else "bn0"
    with mock.patch.object(getattr(oracle.branch, name), "forward", lambda maps: maps):
        yield


FAULTS = [wrong_lowest_frequency, silence_for_repetition, no_bn0]


def test_log_mel_equals_upstream(oracle, clips):
    """To 0.001 dB; another lowest frequency exceeds ten times the tolerance."""
    wavs = oracle.clap.window.fit_wav(clips[5])
    assert log_mel_error(oracle, wavs) <= LOG_MEL_DB
    with wrong_lowest_frequency(oracle):
        assert log_mel_error(oracle, wavs) > 10 * LOG_MEL_DB


@pytest.mark.parametrize("seconds", SECONDS)
def test_embedding_equals_upstream(oracle, clips, expected, seconds):
    """From the waveform, for clips shorter and longer than the input window."""
    assert embedding_error(oracle, clips[seconds], expected(seconds)) <= EMBEDDING


@pytest.mark.exhaustive
def test_htsat_base_equals_upstream(tmp_path):
    """HTSAT-base is a larger architecture than HTSAT-tiny."""
    base = oracles.laion_oracle("HTSAT-base", tmp_path)
    wavs = resample(mixture("siren", "rain", seed=3, seconds=3).mixture, 32000, 48000)[None]
    with torch.no_grad():
        assert embedding_error(base, wavs, base.embed(wavs)) <= EMBEDDING
    assert base.clap.hidden_channels == (1024, 512, 256, 128)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_embedding_test_detects_faults(oracle, clips, expected, fault):
    """Each fault exceeds ten times the tolerance."""
    assert embedding_error(oracle, clips[1], expected(1)) <= EMBEDDING
    with fault(oracle):
        assert embedding_error(oracle, clips[1], expected(1)) > 10 * EMBEDDING


def test_queries_equal_upstream(oracle):
    """Text embeddings are equal, and two prompts differ."""
    with torch.no_grad():
        upstream = oracle.queries(PROMPTS)
    queries = oracle.clap.queries(PROMPTS)
    assert (queries - upstream).abs().max() <= EMBEDDING
    assert (upstream[0] - upstream[1]).abs().max() > 100 * EMBEDDING


def test_logit_scale_equals_checkpoint(oracle):
    """Upstream stores the logarithm."""
    upstream = oracle.upstream
    log_scale = getattr(upstream, "logit_scale_a", getattr(upstream, "logit_scale", None))
    torch.testing.assert_close(oracle.clap.logit_scale, log_scale.detach().exp())


def test_embedding_is_independent_of_batch(oracle, clips):
    """A clip alone has the embedding that it has in a batch."""
    wavs = clips[BATCHED]
    together, alone = oracle.clap(wavs).vector[1], oracle.clap(wavs[1:]).vector[0]
    assert (together - alone).abs().max() <= 1e-5


@pytest.mark.parametrize("seconds", [BATCHED, SECONDS[-1]])
@pytest.mark.parametrize("masking", sorted(DOMAINS))
def test_full_mask_equals_upstream(oracle, clips, expected, masking, seconds):
    """A mask of ones gives the embedding of the upstream model in both masking domains."""
    classifier = MaskedClassifier(DOMAINS[masking](oracle.clap))
    encoded = classifier.encode_clips(clips[seconds])
    assert encoded.power.shape[1] == 1 + clips[seconds].shape[1] // oracle.clap.window.hop_length
    with torch.no_grad():
        masked = classifier.encode_masked_vector(encoded, torch.ones_like(encoded.power))
        assert (masked - expected(seconds)).abs().max() <= EMBEDDING


@pytest.mark.parametrize("masking", sorted(DOMAINS))
@pytest.mark.parametrize("gain", [0.0, 0.01, pytest.param(0.3, marks=pytest.mark.exhaustive), 1.0])
def test_gradients_reach_the_mel_band(oracle, masking, gain):
    """For noise, every T-F bin in a mel band has a gradient, unless the mask is zero."""
    clap = oracle.clap
    classifier = MaskedClassifier(DOMAINS[masking](clap))
    generator = torch.Generator().manual_seed(0)
    wavs = 0.3 * torch.randn(1, 2 * clap.sample_rate, generator=generator)
    encoded = classifier.encode_clips(wavs)
    mask = torch.full_like(encoded.power, gain).requires_grad_()
    cosine = classifier.encode_masked_vector(encoded, mask) @ clap.queries(PROMPTS[:1])[0]
    (gradient,) = torch.autograd.grad(cosine.sum(), mask)
    assert gradient.isfinite().all()
    if gain == 0:
        assert (gradient == 0).all()
        return
    encoded_bins = (
        clap.filterbank.sum(dim=1) > 0 if masking == "stft" else torch.ones(64, dtype=bool)
    )
    assert (gradient[..., encoded_bins] != 0).float().mean() > 0.999
    assert (gradient[..., ~encoded_bins] == 0).all()


def test_hidden_maps_keep_time(oracle):
    """The position of a click in time is the position of the largest change of every map."""
    clap = oracle.clap
    seconds = clap.window.samples // clap.sample_rate
    quiet = 1e-4 * torch.randn(1, clap.window.samples, generator=torch.Generator().manual_seed(1))
    base = clap(quiet).hidden
    for at in (0.15, 0.4, 0.65, 0.9):
        clicked = quiet.clone()
        start = int(at * clap.window.samples)
        clicked[:, start : start + clap.sample_rate // 20] += torch.randn(clap.sample_rate // 20)
        for maps, base_maps in list(zip(clap(clicked).hidden, base))[1:]:
            change = (maps - base_maps).square().sum(dim=(0, 1, 3))
            centers = (torch.arange(len(change)) + 0.5) / len(change)
            peak = centers[change.argmax()]
            assert abs(peak - at) < 0.6 / seconds + 1.5 / len(change)


@pytest.mark.parametrize(
    "oracle",
    [pytest.param(name, marks=SLOW.get(name, ())) for name in sorted(oracles.ORACLES)],
    indirect=True,
)
def test_half_precision_changes_little(oracle, clips):
    """Embeddings have a cosine above 0.99, and log-mel spectrograms stay in single precision."""
    clap, wavs = oracle.clap, clips[5]
    single = clap(wavs)
    with mock.patch.object(clap, "uses_bfloat16", True):
        half = clap(wavs)
        log_mel = clap.mel(clap.stft(wavs).abs().square())
    assert half.vector.dtype == torch.float32
    assert (half.vector * single.vector).sum(dim=1).min() > 0.99
    assert (half.vector != single.vector).any()
    with torch.autocast("cpu", torch.bfloat16):
        again = clap.mel(clap.stft(wavs).abs().square())
    assert (again == log_mel).all()


def test_queries_are_cached(oracle):
    """A prompt is encoded once."""
    clap = oracle.clap
    clap.queries(PROMPTS)
    with mock.patch.object(clap, "encode_text", side_effect=AssertionError("encoded again")):
        assert clap.queries([*PROMPTS, PROMPTS[0]]).shape == (4, clap.query_dim)
