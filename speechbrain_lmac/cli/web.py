"""The web app: upload or record a sound, type prompts or choose classes, and listen."""

import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import gradio
import torch
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from speechbrain_lmac.audio.io import save_audio
from speechbrain_lmac.audio.source import AudioSource
from speechbrain_lmac.cli.sections import explained_section
from speechbrain_lmac.cli.web_downloads import new_download
from speechbrain_lmac.cli.web_layout import CSS, HEAD, build_page
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture
from speechbrain_lmac.inference.interpreter import Interpreter
from speechbrain_lmac.reports.page import embedded_report
from speechbrain_lmac.utils.download import file_sha256
from speechbrain_lmac.utils.errors import InputError

SOURCES = ("mini-stft", "mini-mel")
"""Default interpreters to choose from."""
MINUTES = 10
"""Default maximum length of a sound, in minutes. The other limits are for this length."""
MAX_BYTES = 64 << 20
"""Maximum size of an upload."""
MAX_PROMPTS, MAX_LETTERS = 20, 500
"""Maximum number of prompts, and of letters of a prompt."""
MAX_WORK_SECONDS = 120
"""Time limit of an explanation, in seconds."""
UPLOAD_LIFETIME = 600
"""Age at which unused uploads are deleted, in seconds."""
LOOPBACK = ("127.0.0.1", "localhost")
EXAMPLES = (("clock_alarm", "engine"), ("chirping_birds", "car_horn"), ("siren", "footsteps"))
"""Classes of the synthetic example mixtures."""
INTRODUCTION = """\
# Listen to an audio classifier's explanations

An audio classifier scores how well a sound matches a text (a prompt), or one of its classes. Give
it a sound and some prompts or classes. For each, you can play the part of the sound that the score
is based on (**masked-in**) and the residual (**masked-out**). If you give none, the most probable
class is explained.

Maximum {minutes} minutes and {megabytes} MB. The uploaded file is deleted after use. Its samples
stay in memory until you leave. Files to download are kept for ten minutes.
"""
FONTS = ["system-ui", "sans-serif"]
"""Fonts that every machine has, so that none is downloaded."""


class Upload(NamedTuple):
    """Samples of an uploaded file that has been deleted."""

    name: str
    wav: torch.Tensor
    """Samples, ``[time]``."""
    rate: int
    """Sample rate in Hz."""


class TimeLimitedSource(AudioSource):
    """Samples that must be explained in a time limit, in seconds."""

    def __init__(self, upload: Upload, limit: float):
        super().__init__(upload.wav, upload.rate)
        self._limit, self._deadline = limit, time.monotonic() + limit

    def blocks(self, sample_rate: int) -> Iterator[torch.Tensor]:
        """Yield blocks as :meth:`AudioSource.blocks`; InputError after the time limit."""
        for block in super().blocks(sample_rate):
            if time.monotonic() > self._deadline:
                raise InputError(
                    f"an explanation must take at most {self._limit:.0f} s. Use a shorter sound "
                    "or fewer prompts"
                )
            yield block


@lru_cache(maxsize=8)
def interpreter(source: str) -> Interpreter:
    """Load an interpreter once."""
    return Interpreter.from_hparams(source=source, run_opts={"device": "cpu"})


def explain(
    sound: str | None,
    prompts: str | Sequence[str],
    against: str | None,
    source: str,
    previous: Upload | None = None,
    sources: Sequence[str] | None = SOURCES,
    minutes: int = MINUTES,
) -> tuple[str, None, str, Upload, str]:
    """Explain an upload.

    Arguments
    ---------
    sound : str or None
        Path of the upload, which is deleted after it is read. None for ``previous``.
    prompts : str or list of str
        Prompts, one per line, or class names. Empty for the prediction.
    against : str or None
        Text or class that each prompt is contrasted with. Empty for none.
    source : str
        Name of the interpreter, from ``sources``.
    previous : Upload or None
        Sound of the previous explanation.
    sources : sequence of str or None
        Interpreters that may be chosen. None for any. Default: ``SOURCES``.
    minutes : int
        Maximum length of a sound. Default: ``MINUTES``.

    Returns
    -------
    tuple
        HTML of the explanations; None, which empties the upload field; a line about the sound;
        the :class:`Upload` for the next call; and the path of a ZIP file of sounds and tables.
    """
    try:
        texts, contrast = _lines(prompts), _lines(against or "")
        if len(contrast) > 1:
            raise InputError("the contrast must be one text on one line")
        if sources is not None and source not in sources:
            raise InputError(f"the interpreter must be {' or '.join(sources)}")
        model = interpreter(source)
        upload = previous if sound is None else read_upload(sound, model.sample_rate, minutes)
        if upload is None:
            raise InputError("a sound must be given. Upload or record one, or use an example")
        limited = TimeLimitedSource(upload, MAX_WORK_SECONDS * minutes / MINUTES)
        rather = contrast[0] if contrast else None
        with new_download(upload.name, UPLOAD_LIFETIME) as (folder, archive):
            section = explained_section(
                model, limited, upload.name, texts or None, rather, save_to=folder
            )
    except InputError as error:
        raise gradio.Error(f"{str(error)[0].upper()}{str(error)[1:]}.") from error
    html = embedded_report([section], f"Interpreter {source}", height="70vh")
    many = section.words.many
    note = f"Explained: {upload.name}. Change the {many} and explain again, or use another sound."
    return html, None, note, upload, str(archive)


def read_upload(path: str | Path, sample_rate: int, minutes: int = MINUTES) -> Upload:
    """Read an uploaded file by its content, not by its name, and delete it.

    Raises
    ------
    InputError
        If the file is too large, too long or not a sound.
    """
    path = Path(path)
    try:
        max_bytes = MAX_BYTES * minutes // MINUTES
        if path.stat().st_size > max_bytes:
            raise InputError(f"a sound must be at most {max_bytes >> 20} MB. Cut it")
        try:
            wav = AudioSource(path).read(sample_rate, 60 * minutes)
        except InputError as error:  # without the folders of the server
            raise InputError(str(error).replace(str(path), path.name)) from error
        return Upload(path.name, wav, sample_rate)
    except OSError as error:
        raise InputError("the upload has expired. Upload the sound again") from error
    finally:
        with contextlib.suppress(OSError):
            if file_sha256(path) not in _examples()[1]:
                path.unlink()


def _lines(text: str | Sequence[str]) -> list[str]:
    """Return the lines of a text field, or the chosen classes, each once."""
    given = text.splitlines() if isinstance(text, str) else text
    lines = list(dict.fromkeys(line.strip() for line in given if line.strip()))
    if len(lines) > MAX_PROMPTS or max(map(len, lines), default=0) > MAX_LETTERS:
        raise InputError(
            f"prompts must be at most {MAX_PROMPTS} texts of at most {MAX_LETTERS} letters"
        )
    return lines


def class_names(source: str) -> tuple[str, ...] | None:
    """Return the class names of an interpreter; None if any text is a prompt."""
    return interpreter(source).audio_classifier.class_names


def _names(source: str, sources: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the class names of an interpreter; None if it may not be chosen or is invalid."""
    try:
        return class_names(source) if sources is None or source in sources else None
    except InputError:
        return None  # the button says why


def launch(
    allowed_hosts: Sequence[str] = (),
    sources: Sequence[str] = SOURCES,
    minutes: int = MINUTES,
    any_source: bool = False,
    **options: Any,
) -> Any:
    """Serve the app until it is stopped.

    Arguments
    ---------
    allowed_hosts : sequence of str
        Host names that the app answers to in addition to the loopback names; ``"*"`` for any.
    sources : sequence of str
        Interpreters to choose from. Default: ``SOURCES``.
    minutes : int
        Maximum length of a sound. The limits of size and time grow with it. Default: ``MINUTES``.
    any_source : bool
        Whether a text field names any other interpreter, in a folder of this machine or on the Hub.
        Default: False.
    **options
        Options of gradio's ``launch``.

    Returns
    -------
    tuple
        Return value of gradio's ``launch``.
    """
    theme = gradio.themes.Base(font=FONTS, font_mono=["monospace"])
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, *allowed_hosts])
    limits = (MAX_PROMPTS, UPLOAD_LIFETIME)
    max_bytes = MAX_BYTES * minutes // MINUTES
    text = INTRODUCTION.format(minutes=minutes, megabytes=max_bytes >> 20)
    allowed = None if any_source else sources
    answer = partial(explain, sources=allowed, minutes=minutes)
    names = partial(_names, sources=allowed)
    page = build_page(answer, names, sources, text, _examples()[0], *limits, any_source)
    options |= {"theme": theme, "head": HEAD, "css": CSS, "max_file_size": max_bytes}
    return page.launch(app_kwargs={"middleware": [hosts]}, **options)


@cache
def _examples() -> tuple[list[list[str]], frozenset[str]]:
    """Return the rows of example sounds and prompts, and the digests of the sound files."""
    folder, rows = Path(tempfile.mkdtemp(prefix="speechbrain_lmac_")), []
    for classes in EXAMPLES:
        words = [name.replace("_", " ") for name in classes]
        path = folder / f"{' and '.join(words)}.wav"
        save_audio(path, 0.5 * mixture(*classes, seed=11).mixture, SAMPLE_RATE)
        rows.append([str(path), "\n".join(f"the sound of {word}" for word in words)])
    return rows, frozenset(file_sha256(path) for path, _ in rows)
