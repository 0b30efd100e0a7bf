"""Checked settings of a mask decoder: scales, widths and gradients."""

from typing import Any

from speechbrain_lmac.masking.gradients import PATH_MAPS
from speechbrain_lmac.utils.errors import InputError


def used_maps(hidden_channels: list[int], scales: int | None) -> list[int]:
    """Return the channels of the ``scales`` deepest hidden maps; of all maps by default."""
    if scales is not None and scales not in range(1, len(hidden_channels) + 1):
        raise InputError(
            f"num_scales must be 1 to {len(hidden_channels)} or null, got {scales!r}. The "
            "classifier has no more hidden maps"
        )
    return hidden_channels[:scales]


def scale_widths(channels: Any, scales: int) -> list[int]:
    """Return the width of each scale, given one width for all scales or one for each."""
    widths: list[Any] = (
        list(channels) if isinstance(channels, list | tuple) else [channels] * scales
    )
    fit = all(isinstance(width, int) and width > 0 and width % 4 == 0 for width in widths)
    if len(widths) != scales or not fit:
        raise InputError(
            "decoder_channels must be a multiple of 4, or a list with one for each of the "
            f"{scales} scales, got {channels!r}"
        )
    return widths


def count_gradients(count: Any, scales: int) -> int:
    """Return the number of hidden maps with gradient features; 0 to ``scales``."""
    if isinstance(count, bool) or count not in range(scales + 1):
        raise InputError(
            f"gradient_features must be 0 to {scales}, got {count!r}. The decoder uses {scales} "
            "hidden maps"
        )
    return int(count)


def check_path(weight: Any, kind: Any) -> tuple[float, str]:
    """Return the weight of the gradient path, 0 to 10, and its kind, one of ``PATH_MAPS``."""
    if kind not in PATH_MAPS:
        raise InputError(f"gradient_path_map must be {' or '.join(PATH_MAPS)}, got {kind!r}")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 10:
        raise InputError(f"gradient_path must be 0 to 10, got {weight!r}. Give 0 to leave it out")
    return float(weight), str(kind)
