"""CNN14 classifiers of SpeechBrain: files, names and settings.

tests/reference/test_speechbrain_cnn14.py compares their arithmetic with SpeechBrain.
"""

import subprocess
import sys

import pytest
import torch

from speechbrain_lmac.models.classifiers.speechbrain_cnn14 import SpeechBrainCNN14
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.cnn14 import LABELS, published_classifier


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the settings of small classifiers with 3 classes in both layouts."""
    return {
        layout: published_classifier(tmp_path_factory.mktemp(layout), layout, 8, 3).settings
        for layout in ("recipe", "hub")
    }


def test_number_of_classes_is_that_of_the_head(files):
    """Names must fit it; the recipe's names of ESC-50 do not fit three classes."""
    classifier = SpeechBrainCNN14(**files["recipe"], class_names=["a", "b", "c"])
    assert classifier.class_names == ("a", "b", "c")
    with pytest.raises(InputError, match="one name for each of 3 logits, got 50"):
        SpeechBrainCNN14(**files["recipe"])


def test_names_come_from_the_label_encoder(tmp_path):
    """The file beside the head is read if no names are given."""
    settings = published_classifier(tmp_path, "hub", 8, 3).settings
    with pytest.raises(InputError, match=r"names or a file, got .*Download label_encoder.txt"):
        SpeechBrainCNN14(**settings)
    (tmp_path / "label_encoder.txt").write_text(LABELS)
    assert SpeechBrainCNN14(**settings).class_names == ("a", "b", "c")
    other = tmp_path / "labels.txt"
    other.write_text("x\ny\nz\n")
    classifier = SpeechBrainCNN14(**settings, class_names=str(other))
    assert classifier.class_names == ("x", "y", "z")
    assert classifier.settings["class_names"] == str(other)


def test_settings_build_the_classifier_again(files, tmp_path):
    """Portable settings name the files; the reference depends on both files."""
    classifier = SpeechBrainCNN14(**files["recipe"], class_names=["a", "b", "c"])
    again = SpeechBrainCNN14(**classifier.settings)
    assert again.reference == classifier.reference
    assert classifier.reference.name == "speechbrain-cnn14-recipe"
    assert classifier.portable_settings == {
        **{"weights": "weights.ckpt", "head": "head.ckpt", "layout": "recipe"},
        "class_names": ["a", "b", "c"],
    }
    other = published_classifier(tmp_path, "recipe", 8, 3, seed=1).settings
    for changed in ("weights", "head"):
        settings = {**files["recipe"], changed: other[changed]}
        swapped = SpeechBrainCNN14(**settings, class_names=["a", "b", "c"])
        assert swapped.reference.sha256 != classifier.reference.sha256


def test_foreign_files_are_named(files, tmp_path):
    """A missing file, a file of the other layout and another network are errors."""
    names = {"class_names": ["a", "b", "c"]}
    recipe, hub = files["recipe"], files["hub"]
    with pytest.raises(InputError, match="weights must be a file, got nowhere"):
        SpeechBrainCNN14(**{**recipe, "weights": "nowhere"}, **names)
    with pytest.raises(InputError, match=r"not a head of the layout recipe: .*blocks"):
        SpeechBrainCNN14(**{**recipe, "head": hub["head"]}, **names)
    with pytest.raises(InputError, match="not a head of the layout hub: "):
        SpeechBrainCNN14(**{**hub, "head": recipe["head"]}, **names)
    with pytest.raises(InputError, match="is not SpeechBrain's CNN14: lacks conv_block6"):
        SpeechBrainCNN14(**{**recipe, "weights": recipe["head"]}, **names)
    with pytest.raises(InputError, match="layout must be recipe or hub, got 'pann'"):
        SpeechBrainCNN14(**{**recipe, "layout": "pann"}, **names)


@pytest.mark.parametrize("layout", ["recipe", "hub"])
def test_short_clips_are_encoded(files, layout):
    """A clip of 10 ms is padded with silence; silence has finite features and gradients."""
    classifier = SpeechBrainCNN14(**files[layout], class_names=["a", "b", "c"])
    wavs = torch.zeros(2, classifier.sample_rate // 100)
    wavs[1] = 0.1
    power = classifier.power(classifier.stft(classifier.window.fit_wav(wavs))).requires_grad_()
    vector = classifier.encode(classifier.mel(0 * power)).vector
    vector.sum().backward()
    assert vector.isfinite().all() and power.grad.isfinite().all()
    assert classifier(wavs).vector.isfinite().all()


@pytest.mark.parametrize("layout", ["recipe", "hub"])
def test_audio_blocks_hold_every_weight_once(files, layout):
    """The weights of the linear head are the query vectors; those before cosines are a block."""
    classifier = SpeechBrainCNN14(**files[layout], class_names=["a", "b", "c"])
    blocks = [id(weight) for block in classifier.audio_blocks for weight in block.parameters()]
    every = {id(weight) for weight in classifier.parameters()}
    assert len(blocks) == len(set(blocks)) and set(blocks) == every
    assert len(classifier.audio_blocks) == {"recipe": 6, "hub": 7}[layout]


def test_models_do_not_import_speechbrain():
    """SpeechBrain's networks are imported when a classifier is built."""
    code = (
        "import sys, speechbrain_lmac.models.classifiers.speechbrain_cnn14\n"
        "sys.exit(any(name.startswith('speechbrain.lobes') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
