"""Clips and their explanations as one HTML file."""

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from speechbrain_lmac import __version__
from speechbrain_lmac.report.media import MOST_GAIN_DB
from speechbrain_lmac.whole import write_text

TEMPLATES = files("speechbrain_lmac.report") / "templates"


def write_report(path, clips, about, title="Listening report"):
    """Write a report that opens without a network.

    Arguments
    ---------
    path : str or Path
        File to write, whole or not at all.
    clips : list of Heard or Recording
        Of :func:`~speechbrain_lmac.report.clip.heard` and
        :func:`~speechbrain_lmac.report.recording.recording`.
    about : str
        What explained them.
    title : str
        Its heading.

    Returns
    -------
    Path
    """
    text = render("report.html.j2", title=title, clips=clips, about=about, within=False)
    return write_text(path, text)


def frame(clips, about, height):
    """A report as a page within a page: HTML of its own frame, whose style is its own.

    Arguments
    ---------
    clips : list of Heard
        Of :func:`~speechbrain_lmac.report.clip.heard`.
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
    return f'<iframe title="Explanations" srcdoc="{escape(page)}" style="{style}"></iframe>'


def render(template, **content):
    """A template, filled: str."""
    environment = Environment(
        loader=PackageLoader("speechbrain_lmac.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = clock
    return environment.get_template(template).render(
        version=__version__,
        most_gain_db=MOST_GAIN_DB,
        style=_file("style.css"),
        script=_file("script.js"),
        **content,
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
