"""Pictures of explanations."""

import matplotlib

matplotlib.use("Agg", force=False)
from matplotlib import pyplot as plt

RANGE_DB = 70
"""Below the loudest cell; what is fainter is drawn as silence."""


def draw_interpretation(interpretation, path):
    """The clip's spectrogram, and under each prompt what the mask keeps of it and the mask.

    Arguments
    ---------
    interpretation : Interpretation
        What to draw.
    path : str or Path
        Image file to write.
    """
    prompts = interpretation.prompts
    spectrogram = interpretation.model.classifier.clap.spectrogram
    levels = [
        _decibels(spectrogram, wav) for wav in (interpretation.original, *interpretation.waveform)
    ]
    top = levels[0].max()
    rows = 1 + len(prompts)
    figure, axes = plt.subplots(
        rows, 2, figsize=(11, 2.3 * rows), sharex=True, layout="constrained", squeeze=False
    )
    axes[0, 1].axis("off")
    image = _show(axes[0, 0], levels[0], interpretation, "magma", top - RANGE_DB, top)
    axes[0, 0].set_title("the clip", fontsize=10)
    for i, prompt in enumerate(prompts):
        _show(axes[i + 1, 0], levels[i + 1], interpretation, "magma", top - RANGE_DB, top)
        axes[i + 1, 0].set_title(f"kept for “{_short(prompt)}”", fontsize=10)
        mask = interpretation.model.classifier.plane.gains(interpretation.mask[i])
        mask_image = _show(axes[i + 1, 1], mask, interpretation, "viridis", 0, 1)
        share = interpretation.probabilities[i].item()
        axes[i + 1, 1].set_title(f"its mask (p = {share:.2f} over these prompts)", fontsize=10)
    figure.colorbar(image, ax=axes[:, 0], label="dB", shrink=0.6)
    figure.colorbar(mask_image, ax=axes[1:, 1], label="mask", shrink=0.6)
    for axis in axes[-1]:
        axis.set_xlabel("time, s")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _decibels(spectrogram, wav):
    power = spectrogram(wav.unsqueeze(0).to(spectrogram.window.device)).abs().square()
    return 10 * power.squeeze(0).clamp(min=1e-8).log10().cpu()


def _show(axis, values, interpretation, colours, low, high):
    seconds = interpretation.original.shape[-1] / interpretation.sample_rate
    extent = (0, seconds, 0, interpretation.sample_rate / 2000)
    axis.set_ylabel("kHz")
    return axis.imshow(
        values.T.cpu(),
        origin="lower",
        aspect="auto",
        extent=extent,
        cmap=colours,
        vmin=low,
        vmax=high,
    )


def _short(prompt, width=60):
    return prompt if len(prompt) <= width else prompt[: width - 1] + "…"
