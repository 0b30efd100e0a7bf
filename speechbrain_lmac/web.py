"""The browser demo: give a sound, type prompts, hear and see why."""

import tempfile
from functools import cache
from pathlib import Path

import gradio
import numpy as np

from speechbrain_lmac.audio import save_audio
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture
from speechbrain_lmac.errors import InputError
from speechbrain_lmac.inference import Interpreter
from speechbrain_lmac.report.clip import heard
from speechbrain_lmac.report.page import frame

SOURCES = ("embedded-stft", "embedded-mel")
LONGEST_SECONDS = 15
EXAMPLES = (("clock_alarm", "engine"), ("chirping_birds", "car_horn"), ("siren", "footsteps"))
"""Mixtures that it makes itself."""
INTRODUCTION = """\
# Hear why

A CLAP scores how well a sound fits a text. Give it a sound and some texts, and hear what each score
rests on: what is **kept** of the sound for a text, and what is **removed**.
"""
HINT = '<p style="opacity: .7">Explanations come here.</p>'
FONTS = ["system-ui", "sans-serif"]
"""On every machine: nothing is fetched."""


@cache
def interpreter(source):
    """An interpreter, loaded once."""
    return Interpreter.from_hparams(source=source, run_opts={"device": "cpu"})


def explain(sound, prompts, against, source):
    """Explanations of a recording as a page in the page: HTML.

    Arguments
    ---------
    sound : (int, numpy.ndarray) or None
        Rate in Hz and samples, as gradio has them.
    prompts : str
        One a line.
    against : str
        Explain why each prompt rather than this one; empty for none.
    source : str
        Of ``SOURCES``.

    Returns
    -------
    str
    """
    if sound is None:
        raise gradio.Error("Give a sound first: upload one, record one, or take an example.")
    rate, samples = sound
    asked = list(dict.fromkeys(line.strip() for line in prompts.splitlines() if line.strip()))
    if len(samples) > LONGEST_SECONDS * rate:
        gradio.Info(f"The first {LONGEST_SECONDS} s are explained.")
        samples = samples[: LONGEST_SECONDS * rate]
    try:
        why = interpreter(source).interpret_file(
            np.asarray(samples), asked, against.strip() or None, sample_rate=rate
        )
    except InputError as error:
        raise gradio.Error(f"{str(error)[0].upper()}{str(error)[1:]}.") from error
    return frame([heard("Your sound", why)], f"Interpreter {source}", height="85vh")


def build():
    """The app, to be launched: gradio.Blocks."""
    folder = Path(tempfile.mkdtemp(prefix="speechbrain_lmac_"))
    with gradio.Blocks(title="Hear why", analytics_enabled=False) as app:
        gradio.Markdown(INTRODUCTION)
        with gradio.Row():
            with gradio.Column(scale=1, min_width=300):
                sound = gradio.Audio(label="Sound", type="numpy", sources=["upload", "microphone"])
                prompts = gradio.Textbox(
                    label="Texts, one a line", lines=3, value="the sound of a dog"
                )
                against = gradio.Textbox(label="Rather than (may be empty)")
                source = gradio.Radio(list(SOURCES), value=SOURCES[0], label="Interpreter")
                button = gradio.Button("Explain", variant="primary")
                gradio.Examples(_examples(folder), [sound, prompts], label="Examples")
            with gradio.Column(scale=2, min_width=400):
                found = gradio.HTML(HINT)
        asked = [sound, prompts, against, source]
        button.click(explain, asked, found, api_name="explain")
    return app


def launch(**options):
    """Serve the app until it is stopped; ``options`` go to gradio."""
    theme = gradio.themes.Base(font=FONTS, font_mono=["monospace"])
    return build().launch(theme=theme, **options)


def _examples(folder):
    """Sound files and their prompts."""
    rows = []
    for kinds in EXAMPLES:
        words = [kind.replace("_", " ") for kind in kinds]
        path = folder / f"{' and '.join(words)}.wav"
        scene = mixture(*kinds, seed=11)
        save_audio(path, 0.5 * scene.mixture, SAMPLE_RATE)
        rows.append([str(path), "\n".join(f"the sound of {word}" for word in words)])
    return rows
