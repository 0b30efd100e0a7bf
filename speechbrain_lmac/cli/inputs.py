"""Prompts and interpreters that a command line names."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from speechbrain_lmac.cli.files import read_lines
from speechbrain_lmac.utils.errors import InputError

if TYPE_CHECKING:
    from speechbrain_lmac.inference.interpreter import Interpreter
    from speechbrain_lmac.reports.annotations import RegionRule


def read_prompts(
    prompts: Sequence[str] | None,
    prompts_file: str | None,
    against: str | None,
    every: bool = False,
) -> list[str] | None:
    """Return the prompts of a command line, each once; None if there are none.

    Arguments
    ---------
    prompts : sequence of str
        Values of ``--prompt``.
    prompts_file : str
        Value of ``--prompts-file``.
    against : str
        Value of ``--against``.
    every : bool
        Value of ``--all``. Default: False.

    Raises
    ------
    InputError
        If a prompt is blank or equal to ``against``, or given together with ``--all``.
    """
    given = [*(prompts or []), *(read_lines(prompts_file) if prompts_file else [])]
    if given and every:
        raise InputError("--all must be given without --prompt, --class and --prompts-file")
    if not all(prompt.strip() for prompt in given):
        raise InputError("--prompt must not be blank")
    if against is not None and not against.strip():
        raise InputError("--against must not be blank")
    if against in given:
        raise InputError(f"--against must differ from each prompt, got {against!r} as both")
    return list(dict.fromkeys(given)) or None


def region_rule(threshold: float, merge_gap: float, min_duration: float) -> "RegionRule":
    """Return the rule of ``--threshold``, ``--merge-gap`` and ``--min-duration``."""
    from speechbrain_lmac.reports.annotations import RegionRule

    return RegionRule(threshold, merge_gap, min_duration)


def check_prompts(
    interpreter: "Interpreter", prompts: list[str] | None, against: str | None
) -> None:
    """Raise InputError if the classifier cannot encode a prompt or ``against``."""
    if prompts:
        interpreter.query(prompts, against)
    elif against is not None:
        interpreter.query(against)


def chosen_prompts(
    interpreter: "Interpreter", sound: Any, prompts: list[str] | None, every: bool
) -> list[str] | None:
    """Return the prompts to explain for a sound; None for the prediction.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter that explains the sound.
    sound : AudioSource
        Sound to explain.
    prompts : list of str or None
        Prompts of the command line.
    every : bool
        Value of ``--all``.

    Returns
    -------
    list of str or None
    """
    from speechbrain_lmac.inference.presence import LIKELY

    return interpreter.predicted_prompts(sound, LIKELY) if every else prompts


def load_interpreter(
    source: str,
    revision: str | None,
    device: str,
    classifier: str | None = None,
    explainer: str | None = None,
    masking: str | None = None,
) -> "Interpreter":
    """Load the interpreter that a command line names.

    Arguments
    ---------
    source, revision, device, classifier, explainer, masking
        Values of the options; see :class:`~speechbrain_lmac.inference.sources.InterpreterSource`.

    Returns
    -------
    Interpreter
    """
    silence_libraries()
    from speechbrain_lmac.inference.sources import InterpreterSource

    return InterpreterSource(source, revision, device, classifier, explainer, masking).load()


def print_notice(interpreter: "Interpreter") -> None:
    """Say on stderr what an explainer without training costs, and what training would add."""
    from speechbrain_lmac.explainers.network import ExplainerNetwork

    if isinstance(interpreter.model, ExplainerNetwork):
        print(interpreter.model.notice, file=sys.stderr)


def silence_libraries() -> None:
    """Hide progress bars and log lines of other libraries, and the source lines of warnings."""
    import logging
    import warnings

    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()  # transformers follows it if it is imported later
    if "transformers" in sys.modules:
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
    logging.getLogger("speechbrain").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.formatwarning = lambda message, *place, **line: f"warning: {message}\n"
