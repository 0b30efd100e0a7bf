import torch


def direct_cosines(classifier, wavs, masks, text):
    """The definition, one pair at a time, by plain autograd."""
    alone = [classifier.analyse(wav.unsqueeze(0)) for wav in wavs]
    rows = [
        torch.cat([classifier.embed_masked(clip, row[j : j + 1]) for j, clip in enumerate(alone)])
        for row in masks
    ]
    return torch.stack([(row * prompt).sum(dim=-1) for row, prompt in zip(rows, text)])


def test_pairs_equal_their_definition_and_so_do_their_gradients(classifier, wavs, text):
    analysis = classifier.analyse(wavs)
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(3, *analysis.power.shape, generator=generator).requires_grad_()
    weights = torch.randn(3, 3, generator=generator)
    chunked = classifier.pair_cosines(analysis, masks, text.unsqueeze(1), chunk_size=4)
    (gradient,) = torch.autograd.grad((weights * chunked).sum(), masks)
    plain = direct_cosines(classifier, wavs, masks, text)
    (expected,) = torch.autograd.grad((weights * plain).sum(), masks)
    torch.testing.assert_close(chunked, plain, atol=1e-6, rtol=0)
    torch.testing.assert_close(gradient, expected, atol=1e-7, rtol=1e-3)


def test_chunks_change_nothing(classifier, wavs, text):
    analysis = classifier.analyse(wavs)
    masks = torch.rand(3, *analysis.power.shape, generator=torch.Generator().manual_seed(1))
    one, all_at_once = (
        classifier.pair_cosines(analysis, masks, text.unsqueeze(1), chunk_size=size)
        for size in (1, 9)
    )
    torch.testing.assert_close(one, all_at_once, atol=1e-6, rtol=0)


def test_masked_similarity_of_ones(classifier, wavs, text):
    analysis = classifier.analyse(wavs)
    scores = classifier.masked_similarity(analysis, torch.ones_like(analysis.power), text)
    silence = classifier.analyse(torch.zeros_like(wavs)).encoding.embedding
    torch.testing.assert_close(scores.masked_in, scores.original, atol=1e-4, rtol=0)
    torch.testing.assert_close(
        scores.masked_out, classifier.logits(silence, text), atol=1e-4, rtol=0
    )


def test_encoder_gets_no_gradient_and_decoder_does(model, wavs, text):
    pairs = model.pairs(model.classifier.analyse(wavs), text, chunk_size=4)
    (pairs.masked_in.sum() + pairs.masked_out.sum()).backward()
    assert all(weight.grad is None for weight in model.classifier.parameters())
    assert all(weight.grad is not None for weight in model.decoder.parameters())
