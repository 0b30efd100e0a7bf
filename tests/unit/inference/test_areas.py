"""Smallest areas of explanations, and the sounds that certify them."""

import json
from dataclasses import replace

import pytest
import torch

from speechbrain_lmac.data.synthetic import mixture
from speechbrain_lmac.evaluation.encoder_passes import EncoderPasses
from speechbrain_lmac.inference.areas import PromptAreas
from speechbrain_lmac.inference.decisions import competing_classes
from speechbrain_lmac.metrics.smallest_areas import AREA_FRACTIONS
from speechbrain_lmac.utils.errors import InputError
from tests.unit.inference.conftest import PROMPTS, questions


@pytest.fixture(scope="module")
def street(interpreter):
    """Return the explanations of a mixture of a siren and rain."""
    wav = mixture("siren", "rain", seed=3, seconds=3.0).mixture
    return interpreter.interpret(wav, [*PROMPTS, "this is the sound of dog"])


def leads(result, wav, i=0):
    """Return whether prompt ``i`` is the most probable of its competing classes in a sound."""
    classifier = result.model.classifier.audio_classifier
    query = classifier.queries(result.prompts)[i : i + 1]
    with torch.no_grad():
        vector = classifier(classifier.without_offset(wav.unsqueeze(0))).vector
        return classifier.logits(vector, classifier.competing_queries(query)).argmax().item() == 0


def test_areas_certify_the_decision(street):
    """The prompt leads in the sound of the sufficient area, and in none of a smaller one.

    Without the necessary area it does not lead, and without each smaller one it does.
    """
    assert street.areas[0].sufficient is not None and street.areas[2].sufficient is None
    for i, (sufficient, necessary) in enumerate(street.areas):
        if sufficient is None:
            assert necessary is None and not leads(street, street.original, i)
            continue
        for area in (area for area in AREA_FRACTIONS if area <= sufficient):
            assert leads(street, street.waveform_at(area, i), i) == (area == sufficient)
        for area in (area for area in AREA_FRACTIONS if area <= (necessary or 1)):
            assert leads(street, street.residual_at(area, i), i) == (area != necessary)


def test_areas_depend_on_the_ranking(interpreter):
    """The opposite ranking needs more; a ranking is that of the mask, at any scale."""
    wav = mixture("siren", "rain", seed=5, seconds=2.0).mixture
    result = interpreter.interpret(wav, PROMPTS[0])
    opposite, scaled = (replace(result, mask=m) for m in (1 - result.mask, result.mask**2 / 3))
    assert opposite.areas[0].sufficient > 2 * result.areas[0].sufficient
    assert scaled.areas == result.areas


def test_sounds_at_areas_sum_to_the_clip(street):
    """Sounds grow with the area; that of the whole clip is the clip, whose offset is removed."""
    filtered = street.model.classifier.audio_classifier.without_offset(street.original)
    torch.testing.assert_close(street.waveform_at(1.0), filtered, rtol=0, atol=1e-5)
    assert not street.waveform_at(0).any()
    energies = []
    for area in AREA_FRACTIONS:
        wav = street.waveform_at(area, PROMPTS[0])
        torch.testing.assert_close(wav + street.residual_at(area, 0), street.original)
        energies.append(wav.square().sum().item())
    assert energies == sorted(energies)
    one, other = street.waveform_at(0.1, 0), street.waveform_at(0.1, 1)
    assert not torch.equal(one, other)
    assert torch.equal(street.waveform_at(0.1), (one, other)[street.target])


def test_areas_are_computed_on_first_use(interpreter):
    """An explanation costs nothing more; then areas are computed once."""
    wav = mixture("siren", "rain", seed=3, seconds=1.0).mixture
    with EncoderPasses(interpreter.audio_classifier.audio_blocks[0]) as passes:
        result = interpreter.interpret(wav, PROMPTS[0])
        assert passes.count == 1 + interpreter.model.decoder.uses_gradients
        result.rows(areas=False)
        before = passes.count
        areas = result.areas
        used = passes.count - before
        assert result.areas is areas and passes.count - before == used
    assert 3 <= used <= 1 + 2 * len(AREA_FRACTIONS)


def test_areas_against_a_text(interpreter):
    """The other text is the only competing class."""
    wav = mixture("siren", "rain", seed=3, seconds=2.0).mixture
    result = interpreter.interpret(wav, PROMPTS[0], against=PROMPTS[1])
    sufficient, necessary = result.areas[0]
    classifier = result.model.classifier.audio_classifier
    first, second = classifier.queries(PROMPTS)
    classes = competing_classes(classifier, first, second)
    assert len(classes.queries) == 2
    for sound, favored in (
        (result.waveform_at(sufficient), True),
        (result.residual_at(necessary), False),
    ):
        (probability,) = result.score_sounds(sound.unsqueeze(0)).probability
        assert (probability > 0.5) == favored


def test_areas_of_any_classifier(any_interpreter, wavs, tmp_path):
    """The written areas are those of the interpretation; null if a question does not lead."""
    prompts = questions(any_interpreter, "siren", "rain")
    result = any_interpreter.interpret(wavs[0], prompts)
    result.save(tmp_path)
    rows = json.loads((tmp_path / "scores.json").read_text())["prompts"]
    written = [PromptAreas(row["sufficient_area"], row["necessary_area"]) for row in rows]
    assert written == list(result.areas)
    assert all(value is None or value in AREA_FRACTIONS for pair in written for value in pair)
    queries = any_interpreter.audio_classifier.queries(prompts)
    vector = any_interpreter.audio_classifier(any_interpreter.encoder_input(wavs[0])).vector
    for query, (sufficient, _) in zip(queries, written):
        classes = competing_classes(any_interpreter.audio_classifier, query, None)
        first = torch.zeros(1, dtype=torch.long)
        assert (sufficient is not None) == classes.leads(vector, query[None], first).item()
    assert "sufficient_area" not in result.rows(areas=False)[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.5,), "area must be a number from 0 to 1, got 1.5"),
        ((None,), "area must be a number from 0 to 1, got None"),
        ((0.1, 3), "prompt must be one of 0, 1, 2, got 3"),
        ((0.1, "cat"), "prompt must be one of 'this is the sound of siren', .*, got 'cat'"),
    ],
)
def test_waveform_at_refuses_arguments(street, arguments, message):
    """The error names the range."""
    for method in (street.waveform_at, street.residual_at):
        with pytest.raises(InputError, match=message):
            method(*arguments)


@pytest.mark.parametrize(
    ("areas", "text"),
    [
        ((0.01, 0.15), "1 % of the sound suffices; removing 15 % changes the decision"),
        (
            (1.0, None),
            "100 % of the sound suffices; removing all of it does not change the decision",
        ),
        ((None, None), "not the classifier's decision in the clip, so no area suffices"),
    ],
)
def test_summary_states_both_areas(areas, text):
    """One sentence for each case."""
    assert PromptAreas(*areas).summary == text
