"""YAMNet with its real weights.

``YAMNET_FOLDER`` names a folder with ``yamnet.tflite``. Tests are skipped without the file or the
package ``ai_edge_litert``.
"""

import os
from pathlib import Path

import pytest
import torch

from speechbrain_lmac.audio.io import fit_length, load_audio, resample
from speechbrain_lmac.data.labels import ESC50_CLASSES, audioset_labels
from speechbrain_lmac.models.classifiers.yamnet import FILE, SHA256, YAMNet
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import file_sha256
from tests.conftest import needs_esc10
from tests.helpers.recordings import esc10_clips

WEIGHTS = Path(os.environ.get("YAMNET_FOLDER", "no-yamnet")) / FILE


@pytest.fixture(scope="module")
def yamnet():
    """Return YAMNet with Google's weights."""
    pytest.importorskip("ai_edge_litert")
    if not WEIGHTS.is_file():
        pytest.skip("YAMNET_FOLDER names no folder with yamnet.tflite")
    return YAMNet(WEIGHTS)


@pytest.fixture(scope="module")
def fold_5():
    """Return the clips of ESC-10's fold 5."""
    return [clip for clip in esc10_clips() if clip.fold == 5]


@pytest.fixture(scope="module")
def recording(fold_5):
    """Return a function: label -> the first recording, 5 s at 32 kHz, ``[1, time]``."""

    def load(label):
        first = next(clip for clip in fold_5 if clip.label == label)
        return fit_length(load_audio(first.wav, 32000), 160000).unsqueeze(0)

    return load


def test_yamnet_labels_are_of_audioset(yamnet):
    """The file is the pinned one, and 521 of AudioSet's labels are its classes."""
    assert file_sha256(WEIGHTS) == SHA256
    assert len(set(yamnet.labels)) == 521
    assert set(yamnet.labels) < set(audioset_labels())


@needs_esc10
@pytest.mark.parametrize(
    ("name", "label"), [("dog", "Dog"), ("crying_baby", "Baby cry, infant cry")]
)
def test_yamnet_recognizes_a_recording(yamnet, recording, name, label):
    """The label is among the best five, and the class of ESC-50 is the best."""
    wav = recording(name)
    scores = yamnet.scores(wav, 32000)
    best_labels = {yamnet.labels[i] for i in scores[0].topk(5).indices.tolist()}
    assert label in best_labels
    best = yamnet.probabilities(wav, 32000, list(ESC50_CLASSES)).argmax().item()
    assert ESC50_CLASSES[best] == name


@needs_esc10
def test_yamnet_scores_equal_a_second_network(yamnet, recording):
    """A second interpreter scores frame by frame; this test resamples and cuts the frames."""
    from ai_edge_litert.interpreter import Interpreter

    wav = resample(recording("rain")[0], 32000, 16000)[: 8 * 7680 + 15600]
    wav = 0.5 * wav / wav.abs().max()
    network = Interpreter(str(WEIGHTS))
    network.allocate_tensors()
    frame_scores = []
    for start in range(0, 9 * 7680, 7680):
        network.set_tensor(0, wav[start : start + 15600].numpy())
        network.invoke()
        output = network.get_output_details()[0]["index"]
        frame_scores.append(torch.from_numpy(network.get_tensor(output)))
    expected = torch.cat(frame_scores).mean(dim=0, keepdim=True)
    torch.testing.assert_close(yamnet.scores(wav.unsqueeze(0), 16000), expected)


@needs_esc10
def test_yamnet_ignores_the_level(yamnet, recording):
    """A clip at -40 dB has the same probabilities."""
    wav = recording("dog")
    loud, quiet = (yamnet.probabilities(gain * wav, 32000, ["dog", "rain"]) for gain in (1, 0.01))
    torch.testing.assert_close(loud, quiet, atol=0.02, rtol=0)


@needs_esc10
def test_yamnet_scores_ignore_the_batch(yamnet, recording):
    """A clip alone has the same scores."""
    wavs = torch.cat([recording("dog"), 0.01 * recording("rain"), torch.zeros(1, 160000)])
    together = yamnet.scores(wavs, 32000)
    alone = torch.cat([yamnet.scores(wav.unsqueeze(0), 32000) for wav in wavs.flip(0)]).flip(0)
    assert (together == alone).all()


def test_yamnet_recognizes_silence(yamnet):
    """The best label of zeros is Silence."""
    scores = yamnet.scores(torch.zeros(1, 32000), 16000)
    assert yamnet.labels[scores.argmax().item()] == "Silence"


def test_yamnet_probabilities_sum_to_one(yamnet):
    """A class that is a label is most similar to this label."""
    wavs = torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
    p = yamnet.probabilities(wavs, 16000, ["rain", "siren", "dog"])
    torch.testing.assert_close(p.sum(dim=1), torch.ones(2))
    similarity = yamnet.text_encoder(["this is the sound of Rain"]) @ yamnet.label_sentences.T
    assert yamnet.labels[similarity.argmax().item()] == "Rain"


@needs_esc10
def test_yamnet_zero_shot_accuracy(yamnet, fold_5):
    """Classes that are present, and all classes of ESC-50."""
    present = sorted({clip.label for clip in fold_5})
    wavs = torch.stack([fit_length(load_audio(clip.wav, 16000), 80000) for clip in fold_5])
    for names, least in ((present, 90), (list(ESC50_CLASSES), 67)):
        best = yamnet.probabilities(wavs, 16000, names).argmax(dim=1).tolist()
        correct = sum(names[i] == clip.label for i, clip in zip(best, fold_5))
        assert 100 * correct / len(fold_5) >= least


def test_yamnet_refuses_another_shape(yamnet):
    """The error states the shape."""
    with pytest.raises(InputError, match=r"wavs must be \[batch, time\], got \[16000\]"):
        yamnet.scores(torch.zeros(16000), 16000)
