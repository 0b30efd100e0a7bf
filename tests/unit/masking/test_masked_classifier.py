"""Masked classifiers: definitions, gradients and independence of chunks."""

import pytest
import torch

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.masking.domains import StftDomain
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.models.input_window import FixedLengthInput


def values_one_by_one(classifier, wavs, masks, value):
    """Evaluate each pair alone, by plain autograd."""
    clips = [classifier.encode_clips(wav.unsqueeze(0)) for wav in wavs]
    return torch.cat(
        [
            value(
                classifier.encode_masked_vector(clip, row[j : j + 1]),
                torch.tensor([i * len(clips) + j]),
            )[0]
            for i, row in enumerate(masks)
            for j, clip in enumerate(clips)
        ]
    )


def cosine_value(text):
    """Return a value that depends on the pair: its cosine with a prompt, and the square."""

    def value(embedding, index):
        cosine = (embedding * text[index % len(text)]).sum(dim=1)
        return cosine + (1 + index) * cosine.square(), torch.stack([cosine, cosine.square()], dim=1)

    return value


def test_masked_objective_equals_its_definition(classifier, wavs, text):
    """Values and gradients of all pairs."""
    encoded, value = classifier.encode_clips(wavs), cosine_value(text)
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(2, *encoded.power.shape, generator=generator).requires_grad_()
    weights = torch.randn(6, generator=generator)
    chunked, reports = classifier.masked_objective(encoded, masks, value, chunk_size=4)
    (gradient,) = torch.autograd.grad((weights * chunked).sum(), masks)
    plain = values_one_by_one(classifier, wavs, masks, value)
    (expected,) = torch.autograd.grad((weights * plain).sum(), masks)
    torch.testing.assert_close(chunked, plain, atol=1e-5, rtol=0)
    torch.testing.assert_close(gradient, expected, atol=1e-6, rtol=1e-3)
    assert reports.shape == (6, 2) and not reports.requires_grad


def test_masked_objective_ignores_chunks(classifier, wavs, text):
    """One pair at a time, or all pairs at once."""
    encoded = classifier.encode_clips(wavs)
    masks = torch.rand(3, *encoded.power.shape, generator=torch.Generator().manual_seed(1))
    one, all_at_once = (
        classifier.masked_objective(encoded, masks, cosine_value(text), chunk_size=size)[0]
        for size in (1, 9)
    )
    torch.testing.assert_close(one, all_at_once, atol=1e-5, rtol=0)


def test_masked_similarity_of_a_full_mask(classifier, wavs, text):
    """The masked-in part is the clip, the masked-out part is silence."""
    encoded = classifier.encode_clips(wavs)
    scores = classifier.masked_similarity(encoded, torch.ones_like(encoded.power), text)
    silence = classifier.encode_clips(torch.zeros_like(wavs)).encoding.vector
    torch.testing.assert_close(scores.masked_in, scores.original, atol=1e-4, rtol=0)
    torch.testing.assert_close(
        scores.masked_out, classifier.logits(silence, text), atol=1e-4, rtol=0
    )


def test_only_the_decoder_has_gradients(model, wavs, text):
    """The encoder stays frozen."""
    encoded = model.classifier.encode_clips(wavs)
    values, _ = model.classifier.masked_objective(
        encoded, model(encoded, text.unsqueeze(1)), cosine_value(text), chunk_size=4
    )
    values.sum().backward()
    assert all(weight.grad is None for weight in model.classifier.parameters())
    assert all(weight.grad is not None for weight in model.decoder.parameters())


def test_apply_mask_equals_that_of_the_domain(classifier, wavs):
    """With the STFT at hand or without, for one mask per clip or several."""
    encoded = classifier.encode_clips(wavs)
    masks = torch.rand(2, 2, *encoded.power.shape, generator=torch.Generator().manual_seed(0))
    sounds = classifier.apply_mask(encoded, masks)
    torch.testing.assert_close(classifier.apply_mask(encoded, masks[1, 0]), sounds[1, 0])
    assert sounds.shape == (2, 2, *wavs.shape)
    for row, sound in zip(masks.flatten(0, 1), sounds.flatten(0, 1)):
        torch.testing.assert_close(
            sound, classifier.domain.apply_mask(wavs, row), atol=1e-6, rtol=0
        )


@pytest.mark.parametrize("samples", [9000, 16000, 25000])
def test_encode_clips_fits_the_input_window(samples):
    """Clips shorter than, as long as, and longer than an encoder input of half a second."""
    clap = MiniCLAP()
    clap.window = FixedLengthInput(16000, clap.spectrogram.hop_length, False)
    classifier = MaskedClassifier(StftDomain(clap))
    wavs = torch.randn(2, samples, generator=torch.Generator().manual_seed(0))
    encoded, fitted = classifier.encode_clips(wavs), clap.window.fit_wav(wavs)
    fits = samples == 16000
    assert encoded.wavs is wavs and (encoded.stft is not None) == fits
    torch.testing.assert_close(encoded.power, power_of(clap.stft(wavs)))
    torch.testing.assert_close(encoded.encoder_power, power_of(clap.stft(fitted)))
    torch.testing.assert_close(encoded.encoding.vector, clap(wavs).vector)
    mask = torch.rand(encoded.power.shape, generator=torch.Generator().manual_seed(1))
    ones = classifier.encode_masked_vector(encoded, torch.ones_like(mask))
    torch.testing.assert_close(ones, encoded.encoding.vector)
    by_hand = encoded.encoder_power * clap.window.align_mask(mask, samples).square()
    expected = clap.encode(clap.mel(by_hand)).vector
    torch.testing.assert_close(classifier.encode_masked_vector(encoded, mask), expected)
