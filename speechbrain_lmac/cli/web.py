"""The browser demo: give a sound, type prompts, hear and see why."""

import contextlib
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

import gradio
import torch
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from speechbrain_lmac.audio.io import save_audio
from speechbrain_lmac.audio.source import AudioSource
from speechbrain_lmac.cli.page_parts import explained
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture
from speechbrain_lmac.inference.interpreter import Interpreter
from speechbrain_lmac.reports.page import frame
from speechbrain_lmac.utils.download import digest
from speechbrain_lmac.utils.errors import InputError

SOURCES = ("mini-stft", "mini-mel")
MAX_SECONDS = 600
"""Longest sound that is explained, in seconds."""
MAX_BYTES = 64 << 20
"""Largest upload."""
MAX_PROMPTS, MAX_LETTERS = 20, 500
"""Texts of one explanation, and letters of one text."""
MAX_WORK_SECONDS = 120
"""Time that one explanation may take, in seconds."""
KEPT_SECONDS = 600
"""Age at which uploads that nobody explained are deleted, in seconds."""
LOOPBACK = ("127.0.0.1", "localhost")
EXAMPLES = (("clock_alarm", "engine"), ("chirping_birds", "car_horn"), ("siren", "footsteps"))
"""Mixtures that it makes itself."""
INTRODUCTION = f"""\
# Hear why

A CLAP scores how well a sound fits a text. Give it a sound and some texts, and hear what each score
rests on: what is **kept** of the sound for a text, and what is **removed**.

Up to {MAX_SECONDS // 60} minutes and {MAX_BYTES >> 20} MB. The file is deleted after use.
Its samples are held until you leave.
"""
HINT = '<p style="opacity: .7">Explanations come here.</p>'
FONTS = ["system-ui", "sans-serif"]
"""On every machine: nothing is fetched."""


class Upload(NamedTuple):
    """A sound that was uploaded and read, its file gone."""

    name: str
    wav: torch.Tensor
    """``[time]``."""
    rate: int
    """In Hz."""


class TimedSound(AudioSource):
    """Samples whose explanation must end in time."""

    def __init__(self, upload):
        super().__init__(upload.wav, upload.rate)
        self._until = time.monotonic() + MAX_WORK_SECONDS

    def blocks(self, sample_rate):
        """As :meth:`AudioSource.blocks`; InputError when the time is over."""
        for block in super().blocks(sample_rate):
            if time.monotonic() > self._until:
                raise InputError(
                    f"an explanation must take at most {MAX_WORK_SECONDS} s. Give a shorter sound "
                    "or fewer texts"
                )
            yield block


@cache
def interpreter(source):
    """An interpreter, loaded once."""
    return Interpreter.from_hparams(source=source, run_opts={"device": "cpu"})


def explain(sound, prompts, against, source, held=None):
    """Explanations of an upload as a page in the page.

    Arguments
    ---------
    sound : str or None
        Path of the upload, deleted once it is read; None for the one that is ``held``.
    prompts : str
        One a line.
    against : str
        Explain why each prompt rather than this one; empty for none.
    source : str
        Of ``SOURCES``.
    held : Upload or None
        The sound that was explained before.

    Returns
    -------
    tuple
        HTML; what the upload's player shows next: nothing; a line on the sound; and the
        :class:`Upload`, for the next time.
    """
    try:
        asked = _texts(prompts)
        other = _texts(against, none=True)
        if len(other) > 1:
            raise InputError("give one text to explain against, on one line")
        if source not in SOURCES:
            raise InputError(f"the interpreter must be {' or '.join(SOURCES)}")
        upload = held if sound is None else read_upload(sound, interpreter(source).sample_rate)
        if upload is None:
            raise InputError("give a sound first: upload one, record one, or take an example")
        shown = explained(
            interpreter(source), TimedSound(upload), upload.name, asked, (other or [None])[0]
        )
    except InputError as error:
        raise gradio.Error(f"{str(error)[0].upper()}{str(error)[1:]}.") from error
    page = frame([shown], f"Interpreter {source}", height="85vh")
    about = f"Explained: {upload.name}. Change the texts and explain it again, or give another."
    return page, None, about, upload


def read_upload(path, sample_rate):
    """Read an uploaded file by its magic bytes, and delete it: :class:`Upload`.

    Raises
    ------
    InputError
        If it is too large, too long, or no sound.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"a sound must be at most {MAX_BYTES >> 20} MB. Cut it")
        try:
            wav = AudioSource(path).read(sample_rate, MAX_SECONDS)
        except InputError as error:  # without the server's folders
            raise InputError(str(error).replace(str(path), path.name)) from error
        return Upload(path.name, wav, sample_rate)
    except OSError as error:
        raise InputError("the upload is gone. Give the sound again") from error
    finally:
        with contextlib.suppress(OSError):
            if digest(path) not in _examples()[1]:
                path.unlink()


def _texts(text, none=False):
    """Lines of a text field, each once."""
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if len(lines) > MAX_PROMPTS or max(map(len, lines), default=0) > MAX_LETTERS:
        raise InputError(f"give at most {MAX_PROMPTS} texts of at most {MAX_LETTERS} letters")
    if not lines and not none:
        raise InputError("give at least one prompt")
    return lines


def build():
    """The app, to be launched: gradio.Blocks."""
    with gradio.Blocks(
        title="Hear why", analytics_enabled=False, delete_cache=(60, KEPT_SECONDS)
    ) as app:
        gradio.Markdown(INTRODUCTION)
        held = gradio.State(None, time_to_live=KEPT_SECONDS)
        with gradio.Row():
            with gradio.Column(scale=1, min_width=300):
                sound = gradio.Audio(
                    label="Sound", type="filepath", sources=["upload", "microphone"]
                )
                about = gradio.Markdown("")
                prompts = gradio.Textbox(
                    label="Texts, one a line", lines=3, value="the sound of a dog"
                )
                against = gradio.Textbox(label="Rather than (may be empty)")
                source = gradio.Radio(list(SOURCES), value=SOURCES[0], label="Interpreter")
                button = gradio.Button("Explain", variant="primary")
                gradio.Examples(_examples()[0], [sound, prompts], label="Examples")
            with gradio.Column(scale=2, min_width=400):
                found = gradio.HTML(HINT)
        asked = [sound, prompts, against, source, held]
        button.click(explain, asked, [found, sound, about, held], api_name="explain")
    return app


def launch(allowed_hosts=(), **options):
    """Serve the app until it is stopped.

    Arguments
    ---------
    allowed_hosts : sequence of str
        Host names under which it answers, beside those of this machine; ``"*"`` for any.
    **options
        Of gradio's ``launch``.
    """
    theme = gradio.themes.Base(font=FONTS, font_mono=["monospace"])
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, *allowed_hosts])
    return build().launch(
        theme=theme, max_file_size=MAX_BYTES, app_kwargs={"middleware": [hosts]}, **options
    )


@cache
def _examples():
    """Rows of a sound file and its prompts, and the digests of the files."""
    folder, rows = Path(tempfile.mkdtemp(prefix="speechbrain_lmac_")), []
    for kinds in EXAMPLES:
        words = [kind.replace("_", " ") for kind in kinds]
        path = folder / f"{' and '.join(words)}.wav"
        scene = mixture(*kinds, seed=11)
        save_audio(path, 0.5 * scene.mixture, SAMPLE_RATE)
        rows.append([str(path), "\n".join(f"the sound of {word}" for word in words)])
    return rows, frozenset(digest(path) for path, _ in rows)
