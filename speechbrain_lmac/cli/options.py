"""Options that several commands share, as annotations for typer."""

from typing import Annotated

from typer import Argument, BadParameter, Option

from speechbrain_lmac.utils.errors import InputError


def check_fraction(value: float) -> float:
    """Raise BadParameter unless a value is above 0 and at most 1."""
    if not 0 < value <= 1:
        raise BadParameter(f"must be above 0 and at most 1, got {value:g}")
    return value


def check_positive(value: float | None) -> float | None:
    """Raise BadParameter unless a value is None, or finite and above 0."""
    if value is not None and not 0 < value < float("inf"):
        raise BadParameter(f"must be above 0, got {value:g}")
    return value


def check_seconds(value: float) -> float:
    """Raise BadParameter unless a value is finite and at least 0."""
    if not 0 <= value < float("inf"):
        raise BadParameter(f"must be at least 0 and finite, got {value:g}")
    return value


def check_jobs(value: int | None) -> int | None:
    """Raise InputError unless a number of processes is None, or 1 or more."""
    if value is not None and value < 1:
        raise InputError(f"--jobs must be 1 or more, got {value}")
    return value


def check_figures(value: str | None) -> str | None:
    """Raise BadParameter unless a value is None, ``all``, ``none`` or a number of files."""
    if value in (None, "all", "none") or (value.isascii() and value.isdigit()):
        return value
    raise BadParameter(f"must be all, none or a number of files, got {value!r}")


Files = Annotated[
    list[str],
    Argument(metavar="FILE", help="Sound files, folders, glob patterns or hf:// files."),
]
Prompts = Annotated[
    list[str] | None,
    Option(
        "--prompt",
        "--class",
        metavar="TEXT",
        help="Prompt to explain, or class of a supervised classifier. Can be repeated. Default: "
        "the most probable class.",
    ),
]
AllClasses = Annotated[
    bool, Option("--all", help="Explain all classes with a probability of at least 0.5.")
]
PromptsFile = Annotated[
    str | None,
    Option(metavar="FILE", help="Text file with one prompt or class per line ('#': comment)."),
]
Against = Annotated[
    str | None,
    Option(metavar="TEXT", help="Explain why each prompt fits better than this text or class."),
]
Threshold = Annotated[
    float,
    Option(
        metavar="X",
        callback=check_fraction,
        help="Activity from which a region starts, above 0 and at most 1.",
    ),
]
MergeGap = Annotated[
    float,
    Option(
        metavar="S",
        callback=check_seconds,
        help="Longest gap between two regions that are merged, in seconds.",
    ),
]
MinDuration = Annotated[
    float,
    Option(
        metavar="S",
        callback=check_seconds,
        help="Duration below which a region is dropped after merging, in seconds.",
    ),
]
AREAS_HELP = (
    "Find the smallest areas that suffice for the decision and that change it. This takes about "
    "ten encoder passes per prompt."
)
Areas = Annotated[bool, Option("--areas/--no-areas", help=AREAS_HELP)]
AreasOfFew = Annotated[
    bool | None,
    Option(
        "--areas/--no-areas",
        show_default=False,
        help=f"{AREAS_HELP} Default: areas of up to 20 files, none of more.",
    ),
]
Jobs = Annotated[
    int | None,
    Option(
        metavar="N",
        callback=check_jobs,
        help="Number of processes, with one thread and one interpreter each. It does not change "
        "the results. Default: this process, with the threads of torch.",
    ),
]
ExplainAbove = Annotated[
    float | None,
    Option(
        metavar="X",
        min=0,
        max=1,
        help="Presence from which a prompt is explained in sounds up to 15 s; 0 explains all. "
        "Default: the presence below which it is absent, 0.05 for a CLAP.",
    ),
]
Stems = Annotated[
    bool,
    Option(
        "--stems",
        help="Write the complete masked-in sounds of long recordings as WAV. Default: FLAC that is "
        "silent outside the regions.",
    ),
]
Clips = Annotated[
    bool,
    Option(
        "--clips",
        help="Write each region as a FLAC clip of the original recording, with its sample rate and "
        "channels, from 0.5 s before to 0.5 s after the region.",
    ),
]
SkipExisting = Annotated[
    bool,
    Option(
        "--skip-existing",
        help="Skip files whose explanation in the output folder is complete and was made from the "
        "same sound with the same interpreter, prompts and settings.",
    ),
]
Figures = Annotated[
    str | None,
    Option(
        metavar="all|none|N",
        callback=check_figures,
        help="Files that get figure.png: all, none, or the first N. Default: all of up to 20 "
        "files, none of more.",
    ),
]
Source = Annotated[
    str,
    Option(
        metavar="INTERPRETER",
        help="mini-stft, mini-mel, efficientat-labels-stft, efficientat-labels-mel, a results "
        "folder, or a Hub repository USER/NAME.",
    ),
]
Classifier = Annotated[
    str | None,
    Option(
        "--classifier",
        "--clap",
        metavar="MODEL",
        help="Classifier in place of --source, explained without training: NAME[:WEIGHTS], such as "
        "laion:FILE, or a Hub id or folder of a CLAP of transformers.",
    ),
]
Explainer = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="Explainer without training: integrated-gradients, gradcam++, smoothgrad ... Default: "
        "the decoder of --source, or integrated-gradients of --classifier.",
    ),
]
Masking = Annotated[
    str | None, Option(metavar="NAME", help="Masks of --classifier: stft (default) or mel.")
]
Revision = Annotated[
    str | None, Option(metavar="COMMIT", help="Git revision of the Hub repository.")
]
Device = Annotated[str, Option(metavar="DEVICE", help="Torch device: cpu, cuda, cuda:1 ...")]
Json = Annotated[bool, Option("--json", help="Print one JSON object per line and nothing else.")]
