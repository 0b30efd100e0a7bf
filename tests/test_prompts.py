import pytest

from speechbrain_lmac.data import esc50, urbansound8k
from speechbrain_lmac.data.prompts import TEMPLATES, in_template, paraphrases, speakable


@pytest.mark.parametrize("classes", [esc50.CLASSES, urbansound8k.CLASSES], ids=["esc50", "us8k"])
def test_every_class_is_paraphrased_five_times_and_no_paraphrase_serves_two(classes):
    prompts = [prompt for name in classes for prompt in paraphrases()[name]]
    assert len(prompts) == len(set(prompts)) == 5 * len(classes)


def test_a_paraphrase_is_not_the_name_again():
    for name, prompts in paraphrases().items():
        assert not any(prompt.lower() == speakable(name) for prompt in prompts)


def test_nothing_is_paraphrased_that_is_no_class():
    assert set(paraphrases()) == set(esc50.CLASSES) | set(urbansound8k.CLASSES)


def test_the_template_does_not_matter():
    assert len({in_template(template.format("sea waves")) for template in TEMPLATES}) == 1
