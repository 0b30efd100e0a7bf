"""Masks of contrasts: the evidence for a query against that for another one."""

import torch

from speechbrain_lmac.masking.interpreter_network import OPPOSITION
from speechbrain_lmac.masking.mask_logits import bounded


def test_contrast_opposes_the_reverse_difference(interpreter, wavs):
    """``l(d) + c (l(d) - l(-d))``, from the masks' own logits; a batch equals single queries."""
    model, clap = interpreter.model, interpreter.audio_classifier
    first, second, third = clap.queries(["rain", "a dog", "a siren"]).unsqueeze(1)
    differences = torch.nn.functional.normalize(
        torch.stack([first - second, first - third]), dim=-1
    )
    encoded = model.classifier.encode_clips(wavs)
    grid = model.classifier.grid(encoded)
    with torch.no_grad():
        masks = model.contrast(encoded, differences)
        own, reverse = (
            model.decoder.logits(model.features(encoded, rows), rows, grid)
            for rows in (differences, -differences)
        )
    expected = bounded(own + OPPOSITION * (own - reverse)).sigmoid() * grid.valid
    torch.testing.assert_close(masks, expected)
    with torch.no_grad():
        torch.testing.assert_close(model.contrast(encoded, differences[1:]), masks[1:])


def test_contrast_of_the_same_evidence_is_the_mask(interpreter, wavs, monkeypatch):
    """A decoder that answers a difference and its reverse alike has nothing to oppose."""
    model, clap = interpreter.model, interpreter.audio_classifier
    encoded = model.classifier.encode_clips(wavs)
    queries = clap.queries(["rain"]).unsqueeze(1)
    logits = torch.randn(1, *encoded.power.shape)
    monkeypatch.setattr(
        type(model.decoder), "logits", lambda _, f, q, g: logits.repeat(len(q), 1, 1, 1)
    )
    expected = model.decoder.to_mask(logits, model.classifier.grid(encoded))
    assert model.contrast(encoded, queries).equal(expected)


def test_against_uses_the_contrast(interpreter, wavs):
    """Explanations against a text have its masks, alone and in a batch."""
    alone = interpreter.interpret(wavs[0], ["rain", "a dog"], against="a siren")
    encoded = interpreter.model.classifier.encode_clips(
        interpreter.audio_classifier.without_offset(wavs[:1])
    )
    query = interpreter.query(["rain", "a dog"], "a siren")
    masks = interpreter.model.contrast(encoded, query.decoder_queries.unsqueeze(1)).detach()
    torch.testing.assert_close(alone.mask, masks.squeeze(1))
    batch = interpreter.interpret_batch(wavs, ["rain", "a dog"], against="a siren")
    torch.testing.assert_close(batch[0].mask, alone.mask, atol=1e-5, rtol=1e-4)
