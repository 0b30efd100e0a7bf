"""YAMNet without its weights; tests/reference/test_yamnet_recordings.py has the real weights."""

import builtins

import pytest
import torch

from speechbrain_lmac.models.classifiers import yamnet
from speechbrain_lmac.models.classifiers.yamnet import YAMNet, frames, scale_to_peak
from speechbrain_lmac.utils.errors import InputError


def test_scale_to_peak_ignores_the_level():
    """Every sound gets the same peak; silence stays silent."""
    wav = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    for gain in (1e-3, 1.0, 30.0):
        torch.testing.assert_close(scale_to_peak(gain * wav), scale_to_peak(wav))
    assert scale_to_peak(wav).abs().max().item() == pytest.approx(yamnet.PEAK)
    assert (scale_to_peak(torch.zeros(10)) == 0).all()
    rounding = torch.full((10,), 1e-7)
    assert (scale_to_peak(rounding) == rounding).all()


@pytest.mark.parametrize("samples", [1, 15600, 15601, 80000])
def test_frames_cover_the_sound(samples):
    """The frames contain every sample and only zeros in addition."""
    wav = torch.arange(1.0, samples + 1)
    cut = frames(wav)
    assert set(cut.flatten().tolist()) - {0.0} == set(wav.tolist())
    assert (cut[:-1] > 0).all()
    assert (cut[1:, : yamnet.FRAME - yamnet.STEP] == cut[:-1, yamnet.STEP :]).all()


def test_yamnet_refuses_other_files(tmp_path):
    """A missing file, and a file that is not a model."""
    pytest.importorskip("ai_edge_litert")
    message = r"no such file: .*gone\.tflite\. Leave it out to download"
    with pytest.raises(InputError, match=message):
        YAMNet(tmp_path / "gone.tflite")
    (tmp_path / "empty.tflite").write_bytes(b"")
    with pytest.raises(InputError, match="is not Google's YAMNet with its labels"):
        YAMNet(tmp_path / "empty.tflite")


def test_yamnet_names_its_missing_package(monkeypatch):
    """The import fails as it does where the extra is not installed."""
    real_import = builtins.__import__

    def import_without_runtime(name, *args, **kwargs):
        if name.startswith("ai_edge_litert"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", import_without_runtime)
    with pytest.raises(InputError, match=r"pip install '\.\[yamnet\]'"):
        YAMNet("any.tflite")
