"""Listening reports: sections on clips and recordings as one HTML file."""

import hashlib
import os
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from speechbrain_lmac.reports.clip import ClipSection
from speechbrain_lmac.reports.findings import summarize
from speechbrain_lmac.reports.media import MAX_GAIN_DB
from speechbrain_lmac.reports.recording import RecordingSection
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import check_not_input, check_writable, write_text
from speechbrain_lmac.utils.percent import percent
from speechbrain_lmac.utils.version import VERSION

TEMPLATES = files("speechbrain_lmac.reports") / "templates"
CHECKSUM = "\n<!-- speechbrain-lmac sha256 {} -->\n"
"""Last line of a page: SHA-256 of the text before it."""
CHECKSUM_AT_END = re.compile(CHECKSUM.format("([0-9a-f]{64})").encode() + rb"\Z")
GENERATOR = b'<meta name="generator" content="speechbrain-lmac '
"""Text in the head of each page. Pages of the first versions have no checksum."""

Section = ClipSection | RecordingSection


def write_report(
    path: str | Path, sections: Sequence[Section], about: str, title: str = "Listening report"
) -> Path:
    """Write a listening report that opens without a network.

    Arguments
    ---------
    path : str or Path
        HTML file to write. It is written atomically.
    sections : list of ClipSection or RecordingSection
        Sections from :func:`~speechbrain_lmac.reports.clip.clip_section` and
        :func:`~speechbrain_lmac.reports.recording.recording_section`.
    about : str
        Name of the interpreter and its classifier.
    title : str
        Title of the page.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the file exists and was not written by this package, or has changed since.
    """
    return write_page(path, _render_report(sections, about, title, embedded=False))


def write_page(path: str | Path, text: str) -> Path:
    """Write a page and its checksum atomically; InputError as in :func:`check_page`."""
    check_page(path)
    checksum = CHECKSUM.format(hashlib.sha256(text.encode("utf-8")).hexdigest())
    return write_text(path, text + checksum)


def check_page(path: str | Path, inputs: Iterable[str | Path | None] = ()) -> None:
    """Check that a page can be written and replaces no file of the user.

    Arguments
    ---------
    path : str or Path
        File to write.
    inputs : iterable of str, Path or None
        Files that are read.

    Raises
    ------
    InputError
        If the file cannot be written, is an input, was not written by this package, or has changed
        since.
    """
    check_not_input(path, inputs)
    check_writable(path)
    if os.path.exists(path) and not is_page(path):
        raise InputError(
            f"{path} must be an unchanged page of speechbrain-lmac to be replaced. Move it, or "
            "give another file"
        )


def is_page(path: str | Path) -> bool:
    """Return True if a file is an unchanged page of this package."""
    with open(path, "rb") as file:
        head = file.read(1000)
        if GENERATOR not in head:
            return False
        content = head + file.read()
    checksum = CHECKSUM_AT_END.search(content[-200:])
    if checksum is None:
        return b"speechbrain-lmac sha256" not in content[-200:]
    body = content[: len(content) - len(checksum[0])]
    return hashlib.sha256(body).hexdigest().encode() == checksum[1]


def embedded_report(sections: Sequence[Section], about: str, height: str) -> str:
    """Return a report as an ``<iframe>`` for another page.

    Arguments
    ---------
    sections : list of ClipSection or RecordingSection
        Sections, as for :func:`write_report`.
    about : str
        Name of the interpreter and its classifier.
    height : str
        Height of the frame, in CSS.

    Returns
    -------
    str
    """
    page = _render_report(sections, about, "Explanations", embedded=True)
    style = f"width: 100%; height: {height}; border: 0; border-radius: 8px"
    attributes = f'title="Explanations" sandbox="allow-scripts" style="{style}"'
    return f'<iframe {attributes} srcdoc="{escape(page)}"></iframe>'


def _render_report(sections: Sequence[Section], about: str, title: str, embedded: bool) -> str:
    summary = summarize(sections) if sections else None
    content = {"title": title, "about": about, "embedded": embedded}
    return render("report.html.j2", sections=sections, summary=summary, **content)


def render(template: str, **content: Any) -> str:
    """Render a template of this package with its style sheet and scripts."""
    environment = Environment(
        loader=PackageLoader("speechbrain_lmac.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": format_duration, "percent": _percent}
    return environment.get_template(template).render(
        version=VERSION,
        max_gain_db=MAX_GAIN_DB,
        policy=content_security_policy(),
        style=_asset("style.css"),
        script=_asset("script.js"),
        ratings=_asset("ratings.js"),
        **content,
    )


def content_security_policy() -> str:
    """Return the policy of a page: its style and scripts, by their hashes, and embedded data."""
    style, *scripts = (
        f"'sha256-{b64encode(hashlib.sha256(_asset(name).encode()).digest()).decode()}'"
        for name in ("style.css", "script.js", "ratings.js")
    )
    return (
        f"default-src 'none'; script-src {' '.join(scripts)}; style-src-elem {style}; "
        "style-src-attr 'unsafe-inline'; img-src data:; media-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def format_duration(seconds: float) -> str:
    """Return a duration in seconds as text.

    Example
    -------
    >>> format_duration(7.25), format_duration(61.5), format_duration(3723)
    ('7.2 s', '1:01.5', '1:02:03.0')
    """
    minutes, rest = divmod(round(seconds, 1), 60)
    if minutes < 1:
        return f"{rest:.1f} s"
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _percent(fraction: float) -> str:
    """Return a fraction as a whole percentage that is not broken into two lines."""
    return percent(fraction).replace(" ", "\N{NO-BREAK SPACE}")


def _asset(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))
