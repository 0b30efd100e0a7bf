"""Explanation of many clips in chunks."""

import pytest
import torch

from speechbrain_lmac.data.synthetic import synthesize
from speechbrain_lmac.inference.clip_batches import MAX_CLIPS
from speechbrain_lmac.utils.errors import InputError
from tests.unit.inference.conftest import questions


def test_batches_do_not_change_results(any_interpreter, wavs):
    """A clip among others has the result of the clip alone, up to the last digits."""
    prompts = questions(any_interpreter, "siren", "rain")
    clips = [*wavs, wavs[0][:20000], *wavs.flip(0)]
    for clip, result in zip(clips, any_interpreter.interpret_clips(clips, prompts)):
        alone = any_interpreter.interpret(clip, prompts)
        for name in ("waveform", "mask", "similarity", "presence", "probabilities"):
            values, expected = getattr(result, name), getattr(alone, name)
            torch.testing.assert_close(values, expected, rtol=1e-3, atol=3e-4)
        assert torch.equal(result.absent, alone.absent) and result.explained.all()
        assert torch.equal(result.original, clip)


def test_batches_choose_prompts_per_clip(interpreter):
    """Each clip of a chunk explains its own present prompts, as alone."""
    clips = [synthesize(name, seed=1, seconds=1.0) for name in ("siren", "rain", "siren")]
    options = {"prompts": ["siren", "rain"], "explain_above": 0.05}
    results = list(interpreter.interpret_clips(clips, **options))
    for clip, result in zip(clips, results):
        alone = interpreter.interpret(clip, **options)
        assert torch.equal(result.explained, alone.explained)
        torch.testing.assert_close(result.mask, alone.mask, rtol=1e-3, atol=3e-4)
    assert not torch.equal(results[0].explained, results[1].explained)


def test_interpret_clips_holds_one_chunk(interpreter):
    """Clips are read as results are taken, and a mask does not hold those of its chunk."""
    read = []

    def clips():
        for seed in range(100):
            read.append(seed)
            yield synthesize("siren", seed, seconds=1.0)

    results = interpreter.interpret_clips(clips(), ["siren", "rain"])
    mask = next(results).mask
    assert len(read) <= MAX_CLIPS + 1
    assert mask.untyped_storage().nbytes() == mask.numel() * mask.element_size()


def test_interpret_batch_encodes_chunks(interpreter):
    """A batch of eight clips takes one call of the encoder, also with gradient features."""
    assert interpreter.model.decoder.gradient_features
    wavs = torch.stack([synthesize("siren", seed, seconds=1.0) for seed in range(8)])
    sizes = []
    encoder = interpreter.audio_classifier.audio_blocks[0]
    handle = encoder.register_forward_hook(lambda *call: sizes.append(len(call[2])))
    try:
        assert len(interpreter.interpret_batch(wavs, "siren", explain_above=0.0)) == 8
        assert len(interpreter.interpret_batch(wavs)) == 8
    finally:
        handle.remove()
    assert sizes[0] == 8 and sum(sizes) >= 16 and sizes.count(8) == 2


def test_clips_of_a_batch_have_own_prompts(any_interpreter, wavs):
    """A list of lists explains each clip as alone with its prompts; None is its prediction."""
    siren, rain = (questions(any_interpreter, name) for name in ("siren", "rain"))
    prompts = [siren, [*rain, *siren], None]
    results = any_interpreter.interpret_batch(wavs, prompts)
    for wav, own, result in zip(wavs, prompts, results, strict=True):
        alone = any_interpreter.interpret(wav, own)
        assert result.prompts == alone.prompts
        for name in ("mask", "similarity", "probabilities"):
            values, expected = getattr(result, name), getattr(alone, name)
            torch.testing.assert_close(values, expected, rtol=1e-3, atol=3e-4)
    assert [len(result.prompts) for result in results] == [1, 2, 1]


def test_batch_refuses_prompts_of_other_clips(interpreter, wavs):
    """There is one list for each clip, and each is valid."""
    for prompts in ([["rain"]], [["rain"], "dog", None], [["rain"]] * 4):
        with pytest.raises(InputError, match=f"or a list for each of {len(wavs)} clips"):
            interpreter.interpret_batch(wavs, prompts)
    with pytest.raises(InputError, match="at least one prompt and none empty"):
        interpreter.interpret_batch(wavs, [["rain"], [], ["dog"]])
