import pytest
import torch

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.masking.domains import StftPlane
from speechbrain_lmac.masking.masked_classifier import MaskableClassifier
from speechbrain_lmac.models.clap.mini import EmbeddedClap
from speechbrain_lmac.models.input_window import Window


def direct_values(classifier, wavs, masks, value):
    """The definition, one pair at a time, by plain autograd."""
    alone = [classifier.analyse(wav.unsqueeze(0)) for wav in wavs]
    return torch.cat(
        [
            value(
                classifier.embed_masked(clip, row[j : j + 1]), torch.tensor([i * len(alone) + j])
            )[0]
            for i, row in enumerate(masks)
            for j, clip in enumerate(alone)
        ]
    )


def cosine_value(text):
    """Something that depends on the pair: its cosine with a prompt of its own, and its square."""

    def value(embedding, index):
        cosine = (embedding * text[index % len(text)]).sum(dim=1)
        return cosine + (1 + index) * cosine.square(), torch.stack([cosine, cosine.square()], dim=1)

    return value


def test_pairs_equal_their_definition_and_so_do_their_gradients(classifier, wavs, text):
    analysis, value = classifier.analyse(wavs), cosine_value(text)
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(2, *analysis.power.shape, generator=generator).requires_grad_()
    weights = torch.randn(6, generator=generator)
    chunked, reports = classifier.masked_values(analysis, masks, value, chunk_size=4)
    (gradient,) = torch.autograd.grad((weights * chunked).sum(), masks)
    plain = direct_values(classifier, wavs, masks, value)
    (expected,) = torch.autograd.grad((weights * plain).sum(), masks)
    torch.testing.assert_close(chunked, plain, atol=1e-5, rtol=0)
    torch.testing.assert_close(gradient, expected, atol=1e-6, rtol=1e-3)
    assert reports.shape == (6, 2) and not reports.requires_grad


def test_chunks_change_nothing(classifier, wavs, text):
    analysis = classifier.analyse(wavs)
    masks = torch.rand(3, *analysis.power.shape, generator=torch.Generator().manual_seed(1))
    one, all_at_once = (
        classifier.masked_values(analysis, masks, cosine_value(text), chunk_size=size)[0]
        for size in (1, 9)
    )
    torch.testing.assert_close(one, all_at_once, atol=1e-5, rtol=0)


def test_masked_similarity_of_ones(classifier, wavs, text):
    analysis = classifier.analyse(wavs)
    scores = classifier.masked_similarity(analysis, torch.ones_like(analysis.power), text)
    silence = classifier.analyse(torch.zeros_like(wavs)).encoding.embedding
    torch.testing.assert_close(scores.masked_in, scores.original, atol=1e-4, rtol=0)
    torch.testing.assert_close(
        scores.masked_out, classifier.logits(silence, text), atol=1e-4, rtol=0
    )


def test_encoder_gets_no_gradient_and_decoder_does(model, wavs, text):
    analysis = model.classifier.analyse(wavs)
    values, _ = model.classifier.masked_values(
        analysis, model(analysis, text.unsqueeze(1)), cosine_value(text), chunk_size=4
    )
    values.sum().backward()
    assert all(weight.grad is None for weight in model.classifier.parameters())
    assert all(weight.grad is not None for weight in model.decoder.parameters())


def test_listening_is_the_planes_own(classifier, wavs):
    """With the spectrum at hand or without, for one mask of each clip or many."""
    analysis = classifier.analyse(wavs)
    masks = torch.rand(2, 2, *analysis.power.shape, generator=torch.Generator().manual_seed(0))
    sounds = classifier.listen(analysis, masks)
    torch.testing.assert_close(classifier.listen(analysis, masks[1, 0]), sounds[1, 0])
    assert sounds.shape == (2, 2, *wavs.shape)
    for row, sound in zip(masks.flatten(0, 1), sounds.flatten(0, 1)):
        torch.testing.assert_close(sound, classifier.plane.listen(wavs, row), atol=1e-6, rtol=0)


@pytest.mark.parametrize("samples", [9000, 16000, 25000])
def test_analyse_keeps_clips_and_what_is_heard(samples):
    """Shorter, as long and longer than a window of half a second."""
    clap = EmbeddedClap()
    clap.window = Window(16000, clap.spectrogram.hop_length, False)
    classifier = MaskableClassifier(StftPlane(clap))
    wavs = torch.randn(2, samples, generator=torch.Generator().manual_seed(0))
    analysis, filled = classifier.analyse(wavs), clap.window.fill(wavs)
    whole = samples == 16000
    assert analysis.wavs is wavs and (analysis.spectrum is not None) == whole
    torch.testing.assert_close(analysis.power, power_of(clap.stft(wavs)))
    torch.testing.assert_close(analysis.heard, power_of(clap.stft(filled)))
    torch.testing.assert_close(analysis.encoding.embedding, clap(wavs).embedding)
    mask = torch.rand(analysis.power.shape, generator=torch.Generator().manual_seed(1))
    ones = classifier.embed_masked(analysis, torch.ones_like(mask))
    torch.testing.assert_close(ones, analysis.encoding.embedding)
    by_hand = analysis.heard * clap.window.carry(mask, samples).square()
    expected = clap.encode(clap.mel(by_hand)).embedding
    torch.testing.assert_close(classifier.embed_masked(analysis, mask), expected)
