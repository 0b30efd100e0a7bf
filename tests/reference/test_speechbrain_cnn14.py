"""CNN14 classifiers equal SpeechBrain's modules on random weights, in both published layouts."""

import pytest
import torch
from speechbrain.dataio.encoder import CategoricalEncoder
from speechbrain.inference import AudioClassifier
from speechbrain.processing.features import STFT, Filterbank

from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.data.labels import ESC50_CLASSES
from speechbrain_lmac.models.classifiers.speechbrain_cnn14 import SpeechBrainCNN14
from tests.helpers.cnn14 import MILLISECONDS, noise_clips, published_classifier, relative

TOLERANCE = 1e-6
"""Largest relative difference."""
NAMES = [f"class {index}" for index in range(50)]


@pytest.fixture(scope="module", params=["recipe", "hub"])
def pair(request, tmp_path_factory):
    """Return SpeechBrain's modules, the same classifier here, and clips."""
    published = published_classifier(tmp_path_factory.mktemp(request.param), request.param)
    names = {"recipe": None, "hub": NAMES}[request.param]
    classifier = SpeechBrainCNN14(**published.settings, class_names=names)
    return published, classifier, noise_clips(classifier.sample_rate)


def encoder_input(classifier, wavs):
    """Return the input of CNN14."""
    power = classifier.power(classifier.stft(classifier.window.fit_wav(wavs)))
    return classifier.layout.compress(classifier.mel(power))


def test_front_end_equals_speechbrain(pair):
    """Log mel features are equal; reflected edges and another highest frequency are not."""
    published, classifier, wavs = pair
    expected = published.front_end(published.magnitude(wavs))
    assert relative(encoder_input(classifier, wavs), expected) <= TOLERANCE
    rate, decibels = classifier.sample_rate, published.filters.log_mel
    reflected = published._replace(stft=STFT(rate, n_fft=1024, **MILLISECONDS, pad_mode="reflect"))
    lower = published._replace(
        filters=Filterbank(80, decibels, n_fft=1024, sample_rate=rate, f_max=7900)
    )
    for wrong in (reflected, lower):
        features = wrong.front_end(wrong.magnitude(wavs))
        assert relative(encoder_input(classifier, wavs), features) > 10 * TOLERANCE


def test_reflected_edges_differ_here(pair):
    """A front end that reflects the edges of clips gives other features."""
    published, classifier, wavs = pair
    zeros = classifier.spectrogram
    mirrored = Spectrogram(zeros.n_fft, zeros.hop_length, zeros.window)
    features = classifier.layout.compress(classifier.mel(classifier.power(mirrored(wavs))))
    expected = published.front_end(published.magnitude(wavs))
    assert relative(features, expected) > 10 * TOLERANCE


def test_hidden_maps_equal_speechbrain(pair):
    """Blocks 6, 5, 4 and 3, deepest first, with the channels that the classifier states."""
    published, classifier, wavs = pair
    _, expected = published.classify(published.magnitude(wavs))
    hidden = classifier(wavs).hidden
    assert tuple(maps.shape[1] for maps in hidden) == classifier.hidden_channels
    for maps, reference in zip(hidden, expected):
        assert relative(maps, reference) <= TOLERANCE


def test_hidden_maps_of_five_seconds(tmp_path):
    """A clip of ESC-50 has the published sizes."""
    published = published_classifier(tmp_path, "recipe")
    hidden = SpeechBrainCNN14(**published.settings)(noise_clips(16000, 5.0, batch=1)).hidden
    sizes = [(64, 13, 2), (1024, 13, 2), (512, 26, 5), (256, 53, 10)]
    assert [tuple(maps.shape[1:]) for maps in hidden] == sizes


def test_logits_equal_speechbrain(pair):
    """They are those of the linear head, or 30 times the cosines."""
    published, classifier, wavs = pair
    expected, _ = published.classify(published.magnitude(wavs))
    expected = expected * {True: 30.0, False: 1.0}[published.filters.log_mel]
    logits = classifier.logits(classifier(wavs).vector, classifier.queries(classifier.class_names))
    assert relative(logits, expected) <= TOLERANCE


def test_other_class_order_differs(tmp_path):
    """ESC-50's targets number the classes differently than the recipe: a name is another row."""
    published = published_classifier(tmp_path, "recipe")
    wavs = noise_clips(16000)
    expected, _ = published.classify(published.magnitude(wavs))
    right = SpeechBrainCNN14(**published.settings)
    wrong = SpeechBrainCNN14(**published.settings, class_names=ESC50_CLASSES)
    logits = [c.logits(c(wavs).vector, c.queries(right.class_names)) for c in (right, wrong)]
    assert relative(logits[0], expected) <= TOLERANCE
    assert relative(logits[1], expected) > 10 * TOLERANCE


def test_hub_layout_equals_classify_batch(tmp_path):
    """Cosines and predictions are those of SpeechBrain's interface of pretrained classifiers."""
    published = published_classifier(tmp_path, "hub")
    encoder = CategoricalEncoder()
    encoder.update_from_iterable(NAMES)
    encoder.save(tmp_path / "label_encoder.txt")
    published.cnn14.return_reps = False
    modules = {
        "compute_stft": published.stft,
        "compute_fbank": published.filters,
        "embedding_model": published.cnn14,
        "classifier": published.head,
    }
    settings = {"spec_mag_power": 0.5, "use_melspectra": True, "label_encoder": encoder}
    wavs = noise_clips(44100)
    cosines, _, _, labels = AudioClassifier(modules, settings).classify_batch(wavs)
    classifier = SpeechBrainCNN14(**published.settings)
    logits = classifier.logits(classifier(wavs).vector, classifier.queries(classifier.class_names))
    assert relative(logits / 30, cosines.squeeze(1)) <= TOLERANCE
    predicted = [classifier.class_names[index] for index in logits.argmax(dim=1)]
    assert predicted == [label for (label,) in labels]


@pytest.mark.parametrize("mask", ["stft", "mel"])
def test_top_db_is_that_of_the_masked_clip(tmp_path, mask):
    """Decibels are clipped below the maximum of the masked magnitudes, not of the clip's."""
    published = published_classifier(tmp_path, "hub")
    classifier = SpeechBrainCNN14(**published.settings, class_names=NAMES)
    wavs = noise_clips(44100)
    gains = torch.full((1, 1, 1), 0.01)
    magnitude = published.magnitude(wavs)
    expected = published.front_end(gains * magnitude)
    power = classifier.power(classifier.stft(wavs))
    if mask == "stft":
        masked = classifier.mel(power * gains.square())
    else:
        masked = classifier.mel(power) * gains.square()
    features = classifier.layout.compress(masked)
    assert relative(features, expected) <= TOLERANCE
    floor = published.front_end(magnitude).amax(dim=(1, 2), keepdim=True) - 80
    assert relative(features.maximum(floor), expected) > 10 * TOLERANCE


def test_clips_are_divided_by_their_maximum(tmp_path):
    """The recipe layout ignores the level of a clip, as the recipe's loader does."""
    published = published_classifier(tmp_path, "recipe")
    classifier = SpeechBrainCNN14(**published.settings)
    wavs = noise_clips(16000)
    expected = classifier(wavs).vector
    assert relative(classifier(0.01 * wavs).vector, expected) <= 10 * TOLERANCE
