"""Settings of torch inside and outside single precision."""

import torch

from speechbrain_lmac.utils.device import in_float32


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
