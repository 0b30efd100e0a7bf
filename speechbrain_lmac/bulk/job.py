"""Identity of a job: what its rows depend on. A folder holds the answer to one question."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from speechbrain_lmac.bulk.store import Store
from speechbrain_lmac.utils.errors import InputError

JOB_FILE = "job.json"
PRECISIONS = ("fp32", "bf16")
FORMAT = 1
"""Version of the layout of an output folder."""


@dataclass(frozen=True)
class JobSettings:
    """Settings that the rows depend on, in addition to the sounds.

    Arguments
    ---------
    prompts : tuple of str
        Prompts, or class names of a supervised classifier.
    interpreter : str
        SHA-256 of the interpreter's files.
    explain_above : float or None
        Presence from which a prompt is explained. None: no prompt is explained.
    threshold : float
        Activity from which a region starts.
    stretch_seconds : float
        Length of a stretch of a recording, in seconds.
    scores : bool
        Whether the presence in the masked-in and masked-out sounds is measured.
    embeddings : bool
        Whether clip vectors are stored.
    precision : str
        ``fp32``, or ``bf16`` for the encoder in batches. Default: ``fp32``.
    """

    prompts: tuple[str, ...]
    interpreter: str
    explain_above: float | None
    threshold: float
    stretch_seconds: float
    scores: bool
    embeddings: bool
    precision: str = "fp32"

    def metadata(self) -> dict[str, str]:
        """Metadata of every part, which make it readable on its own."""
        return {
            "prompts": json.dumps(list(self.prompts), ensure_ascii=False),
            "interpreter": self.interpreter,
            "explain_above": json.dumps(self.explain_above),
        }


def check_settings(settings: JobSettings) -> JobSettings:
    """Return settings; InputError if one is out of its range."""
    above, seconds = settings.explain_above, settings.stretch_seconds
    if above is not None and not 0 <= above <= 1:
        raise InputError(f"explain_above must be in [0, 1], got {above:g}")
    if not 0 < settings.threshold <= 1:
        raise InputError(f"threshold must be above 0 and at most 1, got {settings.threshold:g}")
    if not 10 <= seconds <= 3600:
        raise InputError(f"stretch_seconds must be 10 to 3600, got {seconds:g}")
    if settings.precision not in PRECISIONS:
        raise InputError(f"precision must be fp32 or bf16, got {settings.precision}")
    return settings


def open_job(store: Store, settings: JobSettings) -> bool:
    """Reserve an output folder for a job, which is new or to be resumed.

    Arguments
    ---------
    store : Store
        Output folder.
    settings : JobSettings
        Settings of the job.

    Returns
    -------
    bool
        Whether the job is new.

    Raises
    ------
    InputError
        If the folder holds another job, or files of the user. Nothing is written then.
    """
    wanted = {"format": FORMAT, **asdict(settings), "prompts": list(settings.prompts)}
    if store.exists(JOB_FILE):
        old = {"precision": PRECISIONS[0], **_read(store)}  # older jobs do not name it
        differences = _differences(old, wanted)
        if differences:
            raise InputError(
                f"{store.url} holds a job with other settings: {'; '.join(differences)}. "
                "Give another --output"
            )
        return False
    if others := [name for name in store.names() if not name.startswith(".")]:
        raise InputError(
            f"{store.url} must be empty or hold a job, got {others[0]}. Give another --output"
        )
    text = json.dumps(wanted, indent=2, ensure_ascii=False) + "\n"
    store.write(JOB_FILE, text.encode("utf-8"))
    return True


def read_job(store: Store) -> JobSettings:
    """Return the settings of the job in a folder; InputError if there is none."""
    if not store.exists(JOB_FILE):
        raise InputError(f"{store.url} must hold a job of explain-many, got no {JOB_FILE}")
    values = dict(_read(store))
    found = values.pop("format", None)
    if found != FORMAT:
        raise InputError(f"{JOB_FILE} of {store.url} must have format {FORMAT}, got {found}")
    try:
        return JobSettings(**{**values, "prompts": tuple(values["prompts"])})
    except (TypeError, KeyError) as error:
        raise InputError(f"{JOB_FILE} of {store.url} is damaged: {error}") from error


def _read(store: Store) -> Mapping[str, Any]:
    try:
        values = json.loads(store.read(JOB_FILE))
    except ValueError as error:
        raise InputError(f"{JOB_FILE} of {store.url} is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{JOB_FILE} of {store.url} must be a JSON object")
    return values


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Describe each setting that differs.

    Example
    -------
    >>> _differences({"prompts": ["rain"], "scores": False}, {"prompts": ["dog"], "scores": True})
    ['prompts lack rain and add dog', 'scores was false, got true']
    """
    return [
        _prompt_difference(old.get(name) or [], new[name])
        if name == "prompts"
        else f"{name} was {json.dumps(old.get(name))}, got {json.dumps(new[name])}"
        for name in new
        if old.get(name) != new[name]
    ]


def _prompt_difference(old: Sequence[str], new: Sequence[str]) -> str:
    less = [prompt for prompt in old if prompt not in new]
    more = [prompt for prompt in new if prompt not in old]
    changes = [
        f"{verb} {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        for verb, names in (("lack", less), ("add", more))
        if names
    ]
    return f"prompts {' and '.join(changes) or 'have another order'}"
