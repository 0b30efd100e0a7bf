"""Facts about the interpreter of a job, which its driver needs.

As a program, it reads a pickled source and prompts from standard input, and writes the pickled
facts, or the InputError, to standard output. A driver of workers on other processes asks this
program: the driver then needs no torch, and a fifth of the memory.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from speechbrain_lmac.inference.sources import InterpreterSource
from speechbrain_lmac.utils.errors import InputError


class InterpreterFacts(NamedTuple):
    """Facts about an interpreter."""

    fingerprint: str
    """SHA-256 of the interpreter's files, or of its classifier's weights."""
    explains_any_query: bool
    """Whether it explains other prompts than the prediction."""


def facts_of(interpreter: Any, prompts: Sequence[str]) -> InterpreterFacts:
    """Return the facts about an interpreter; InputError if it refuses a prompt."""
    interpreter.query(prompts)
    fingerprint = interpreter.fingerprint or interpreter.audio_classifier.reference.sha256
    return InterpreterFacts(str(fingerprint), interpreter.model.explains_any_query)


def facts_of_source(source: InterpreterSource, prompts: Sequence[str]) -> InterpreterFacts:
    """Return the facts about an interpreter that another process loads.

    Arguments
    ---------
    source : InterpreterSource
        Interpreter to load.
    prompts : list of str
        Prompts of the job.

    Returns
    -------
    InterpreterFacts

    Raises
    ------
    InputError
        If the interpreter cannot be loaded or refuses a prompt.
    """
    question = pickle.dumps((source, list(prompts)))
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(command, input=question, stdout=subprocess.PIPE, check=False)
    if done.returncode or not done.stdout:
        raise InputError(
            f"the interpreter cannot be loaded: a process ended with status {done.returncode}. "
            "Read its messages above"
        )
    answer = pickle.loads(done.stdout)
    if isinstance(answer, InputError):
        raise answer
    return InterpreterFacts(*answer)


def main() -> None:
    """Answer the question on standard input; what libraries print goes to standard error."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    source, prompts = pickle.loads(sys.stdin.buffer.read())
    try:
        answer: Any = tuple(facts_of(source.load(), prompts))
    except InputError as error:
        answer = error
    with output:
        output.write(pickle.dumps(answer))


if __name__ == "__main__":
    main()
