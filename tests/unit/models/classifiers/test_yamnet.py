"""YAMNet as a judge, on its real weights. ``YAMNET_FOLDER`` names a folder with ``yamnet.tflite``;
what needs it, or the runtime, is skipped where there is none."""

import builtins
import os
from pathlib import Path

import pytest
import torch

from speechbrain_lmac.audio.io import fit_length, load_audio, resample
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.labels import ESC50_CLASSES, audioset_labels
from speechbrain_lmac.models.classifiers import yamnet as module
from speechbrain_lmac.models.classifiers.yamnet import FILE, SHA256, YAMNet, frames, scale_to_peak
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import file_sha256
from tests.conftest import REAL_ESC10, needs_esc10

WEIGHTS = Path(os.environ.get("YAMNET_FOLDER", "no-judge")) / FILE


@pytest.fixture(scope="module")
def judge():
    pytest.importorskip("ai_edge_litert")
    if not WEIGHTS.is_file():
        pytest.skip("YAMNET_FOLDER names no folder with yamnet.tflite")
    return YAMNet(WEIGHTS)


def clip(label, take=0):
    """A recording of ESC-10's fold 5, five seconds at 32 kHz, ``[1, time]``."""
    found = [clip for clip in read_clips(REAL_ESC10) if clip.fold == 5 and clip.label == label]
    return fit_length(load_audio(found[take].wav, 32000), 160000).unsqueeze(0)


def test_every_sound_is_judged_at_one_peak_and_silence_stays_silence():
    wav = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    for gain in (1e-3, 1.0, 30.0):
        torch.testing.assert_close(scale_to_peak(gain * wav), scale_to_peak(wav))
    assert scale_to_peak(wav).abs().max().item() == pytest.approx(module.PEAK)
    assert (scale_to_peak(torch.zeros(10)) == 0).all()
    rounding = torch.full((10,), 1e-7)
    assert (scale_to_peak(rounding) == rounding).all()


@pytest.mark.parametrize("samples", [1, 15600, 15601, 80000])
def test_frames_cover_the_sound_and_add_only_silence(samples):
    wav = torch.arange(1.0, samples + 1)
    cut = frames(wav)
    assert set(cut.flatten().tolist()) - {0.0} == set(wav.tolist())
    assert (cut[:-1] > 0).all()
    assert (cut[1:, : module.FRAME - module.STEP] == cut[:-1, module.STEP :]).all()


def test_its_labels_are_among_audiosets(judge):
    assert file_sha256(WEIGHTS) == SHA256
    assert len(set(judge.labels)) == 521
    assert set(judge.labels) < set(audioset_labels())


@needs_esc10
@pytest.mark.parametrize(
    ("name", "label"), [("dog", "Dog"), ("crying_baby", "Baby cry, infant cry")]
)
def test_a_real_recording_is_named(judge, name, label):
    wav = clip(name)
    scores = judge.scores(wav, 32000)
    heard = {judge.labels[i] for i in scores[0].topk(5).indices.tolist()}
    assert label in heard
    best = judge.probabilities(wav, 32000, list(ESC50_CLASSES)).argmax().item()
    assert ESC50_CLASSES[best] == name


@needs_esc10
def test_scores_are_the_networks_own_at_the_level_judged(judge):
    """Frame by frame through a second interpreter, resampled and cut here."""
    from ai_edge_litert.interpreter import Interpreter

    wav = resample(clip("rain")[0], 32000, 16000)[: 8 * 7680 + 15600]
    wav = 0.5 * wav / wav.abs().max()
    network = Interpreter(str(WEIGHTS))
    network.allocate_tensors()
    said = []
    for start in range(0, 9 * 7680, 7680):
        network.set_tensor(0, wav[start : start + 15600].numpy())
        network.invoke()
        said.append(torch.from_numpy(network.get_tensor(network.get_output_details()[0]["index"])))
    expected = torch.cat(said).mean(dim=0, keepdim=True)
    torch.testing.assert_close(judge.scores(wav.unsqueeze(0), 16000), expected)


@needs_esc10
def test_quiet_explanations_are_judged_as_loud_ones(judge):
    wav = clip("dog")
    loud, quiet = (judge.probabilities(gain * wav, 32000, ["dog", "rain"]) for gain in (1, 0.01))
    torch.testing.assert_close(loud, quiet, atol=0.02, rtol=0)


@needs_esc10
def test_a_verdict_does_not_depend_on_the_batch(judge):
    wavs = torch.cat([clip("dog"), 0.01 * clip("rain"), torch.zeros(1, 160000)])
    together = judge.scores(wavs, 32000)
    alone = torch.cat([judge.scores(wav.unsqueeze(0), 32000) for wav in wavs.flip(0)]).flip(0)
    assert (together == alone).all()


def test_silence_is_called_silence(judge):
    scores = judge.scores(torch.zeros(1, 32000), 16000)
    assert judge.labels[scores.argmax().item()] == "Silence"


def test_probabilities_sum_to_one_and_a_label_is_looked_up_as_itself(judge):
    wavs = torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
    p = judge.probabilities(wavs, 16000, ["rain", "siren", "dog"])
    torch.testing.assert_close(p.sum(dim=1), torch.ones(2))
    likeness = judge.sentences(["this is the sound of Rain"]) @ judge.label_sentences.T
    assert judge.labels[likeness.argmax().item()] == "Rain"


@needs_esc10
def test_zero_shot_accuracy_on_real_recordings(judge):
    clips = [clip for clip in read_clips(REAL_ESC10) if clip.fold == 5]
    present = sorted({clip.label for clip in clips})
    wavs = torch.stack([fit_length(load_audio(clip.wav, 16000), 80000) for clip in clips])
    for names, least in ((present, 90), (list(ESC50_CLASSES), 67)):
        best = judge.probabilities(wavs, 16000, names).argmax(dim=1).tolist()
        right = sum(names[i] == clip.label for i, clip in zip(best, clips))
        assert 100 * right / len(clips) >= least


def test_other_files_are_refused_in_words(tmp_path):
    pytest.importorskip("ai_edge_litert")
    message = r"no such file: .*gone\.tflite\. Leave it out to download"
    with pytest.raises(InputError, match=message):
        YAMNet(tmp_path / "gone.tflite")
    (tmp_path / "empty.tflite").write_bytes(b"")
    with pytest.raises(InputError, match="is not Google's YAMNet with its labels"):
        YAMNet(tmp_path / "empty.tflite")


def test_sounds_of_another_shape_are_refused(judge):
    with pytest.raises(InputError, match=r"\[batch, time\], not \[16000\]"):
        judge.scores(torch.zeros(16000), 16000)


def test_without_the_runtime_it_says_what_to_install(monkeypatch):
    """By an import that fails, as it does where the extra is not installed."""
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("ai_edge_litert"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install '\.\[yamnet\]'"):
        YAMNet("any.tflite")
