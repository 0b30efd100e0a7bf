"""Clips and their explanations as one HTML file."""

import hashlib
import os
import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from speechbrain_lmac.reports.media import MAX_GAIN_DB
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import check_no_input, check_writable, write_text
from speechbrain_lmac.utils.version import VERSION

TEMPLATES = files("speechbrain_lmac.reports") / "templates"
SEAL = "\n<!-- speechbrain-lmac sha256 {} -->\n"
"""Ends a page: SHA-256 of all that comes before."""
SEALED = re.compile(SEAL.format("([0-9a-f]{64})").encode() + rb"\Z")
GENERATOR = b'<meta name="generator" content="speechbrain-lmac '
"""In the head of every page; those of earlier versions have no seal."""


def write_report(path, clips, about, title="Listening report"):
    """Write a report that opens without a network.

    Arguments
    ---------
    path : str or Path
        File to write, whole or not at all.
    clips : list of ClipReport or Recording
        Of :func:`~speechbrain_lmac.reports.clip.heard` and
        :func:`~speechbrain_lmac.reports.recording.recording`.
    about : str
        What explained them.
    title : str
        Its heading.

    Returns
    -------
    Path
    """
    text = render("report.html.j2", title=title, clips=clips, about=about, within=False)
    return write_page(path, text)


def write_page(path, text):
    """Write a page and its seal, as a whole; InputError as of :func:`check_page`."""
    check_page(path)
    seal = SEAL.format(hashlib.sha256(text.encode("utf-8")).hexdigest())
    return write_text(path, text + seal)


def check_page(path, inputs=()):
    """Raise InputError, before any work, if a page cannot be written, or would replace a file
    that is an input, was not written here or has changed since.

    Arguments
    ---------
    path : str or Path
        Where the page goes.
    inputs : iterable of str, Path or None
        Files that are read.
    """
    check_no_input(path, inputs)
    check_writable(path)
    if os.path.exists(path) and not is_page(path):
        raise InputError(
            f"{path} is no page of speechbrain-lmac, or has changed since: it is left alone; move "
            "it, or give another --output"
        )


def is_page(path):
    """Whether a file is a page as it was written here."""
    with open(path, "rb") as file:
        head = file.read(1000)
        if GENERATOR not in head:
            return False
        content = head + file.read()
    seal = SEALED.search(content[-200:])
    if seal is None:
        return b"speechbrain-lmac sha256" not in content[-200:]
    body = content[: len(content) - len(seal[0])]
    return hashlib.sha256(body).hexdigest().encode() == seal[1]


def frame(clips, about, height):
    """A report as a page within a page: HTML of its own frame, whose style is its own.

    Arguments
    ---------
    clips : list of ClipReport
        Of :func:`~speechbrain_lmac.reports.clip.heard`.
    about : str
        What explained them.
    height : str
        Of the frame, in CSS.

    Returns
    -------
    str
    """
    page = render("report.html.j2", title="Why", clips=clips, about=about, within=True)
    style = f"width: 100%; height: {height}; border: 0; border-radius: 8px"
    attributes = f'title="Explanations" sandbox="allow-scripts" style="{style}"'
    return f'<iframe {attributes} srcdoc="{escape(page)}"></iframe>'


def render(template, **content):
    """A template, filled: str."""
    environment = Environment(
        loader=PackageLoader("speechbrain_lmac.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = clock
    return environment.get_template(template).render(
        version=VERSION,
        most_gain_db=MAX_GAIN_DB,
        policy=policy(),
        style=_file("style.css"),
        script=_file("script.js"),
        ratings=_file("ratings.js"),
        **content,
    )


def policy():
    """What a page may load and run: its own style and scripts, by their hashes, and data in it."""
    style, *scripts = (
        f"'sha256-{b64encode(sha256(_file(name).encode()).digest()).decode()}'"
        for name in ("style.css", "script.js", "ratings.js")
    )
    return (
        f"default-src 'none'; script-src {' '.join(scripts)}; style-src-elem {style}; "
        "style-src-attr 'unsafe-inline'; img-src data:; media-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def clock(seconds):
    """A time as people say it.

    Example
    -------
    >>> clock(7.25), clock(61.5), clock(3723)
    ('7.2 s', '1:01.5', '1:02:03.0')
    """
    minutes, rest = divmod(round(seconds, 1), 60)
    if minutes < 1:
        return f"{rest:.1f} s"
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _file(name):
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))
