"""Settings of torch inside and outside single precision."""

import warnings

import pytest
import torch

from speechbrain_lmac.utils.device import in_float32, warn_if_emulated


def settings():
    backends = torch.backends
    tf32 = backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32
    return (torch.get_default_dtype(), *tf32)


def test_in_float32_excludes_tf32_and_restores_settings():
    before = settings()
    torch.set_default_dtype(torch.float64)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    try:
        assert in_float32(settings)() == (torch.float32, False, False)
        assert settings() == (torch.float64, True, True)
    finally:
        torch.set_default_dtype(before[0])
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before[1:]


@pytest.mark.parametrize("device", [None, "cpu", torch.device("cpu")])
@pytest.mark.parametrize(
    ("instructions", "is_emulated"),
    [({"avx2": True, "avx512_bf16": False}, True), ({"amx_bf16": True}, False)],
)
def test_emulated_bfloat16_is_a_warning(monkeypatch, device, instructions, is_emulated):
    """A CPU without instructions for bfloat16 takes ten times as long, and says so."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_if_emulated(device, "bf16")
    assert ["emulates bfloat16" in str(w.message) for w in caught] == [True] * is_emulated


def test_other_devices_and_precisions_are_silent():
    """A GPU has bfloat16, and fp32 needs no instructions."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_emulated("cuda", "bf16")
        warn_if_emulated("cpu", "fp32")
        warn_if_emulated("cpu", None)
