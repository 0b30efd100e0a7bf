"""Listening test: one clip under several explainers, all at the same mask area."""

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from speechbrain_lmac.evaluation.protocols import InterpreterLike
from speechbrain_lmac.evaluation.scoring import ClassPrompts, explain, make_batch
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.metrics.top_k import top_k_mask
from speechbrain_lmac.models.question_words import PROMPT, QuestionWords
from speechbrain_lmac.reports.page import render, write_page
from speechbrain_lmac.reports.players import Axis, ClipRenderer, Player
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import write_text
from speechbrain_lmac.utils.ownership import folder_lock

METHODS = (
    *("lmac", "integrated-gradients", "smoothgrad", "input-x-gradient", "gradcam", "gradcam++"),
    *("gscorecam", "energy", "random"),
)
"""Methods that are compared by default. ScoreCAM and the optimized mask take minutes."""
FRACTION = 0.2
"""Mask area of every method, as a fraction of the T-F bins."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def default_methods(model: MaskNetwork) -> tuple[str, ...]:
    """Return ``METHODS``, without the trained decoder if there is none."""
    return METHODS if isinstance(model, InterpreterNetwork) else METHODS[1:]


class Take(NamedTuple):
    """The masked-in sound of one method."""

    name: str
    """Name of the method, or a letter that hides it."""
    player: Player
    presence: float | None
    """Presence probability of the prompt in the sound. None if names are hidden."""


def takes(
    interpreter: InterpreterLike,
    wav: torch.Tensor,
    prompt: str,
    methods: Sequence[str] = METHODS,
    fraction: float = FRACTION,
) -> tuple[Player, list[Take], Axis]:
    """Render the masked-in sound of every method for one clip and prompt.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter whose classifier is explained. The method ``lmac`` is its decoder.
    wav : torch.Tensor
        Waveform at the sample rate of the interpreter, ``[time]``.
    prompt : str
        Prompt to explain.
    methods : sequence of str
        Names of :data:`~speechbrain_lmac.explainers.EXPLAINERS`. Default: ``METHODS``.
    fraction : float
        Mask area of every method, as a fraction of the T-F bins. Default: 0.2.

    Returns
    -------
    Player, list of Take, tuple
        Player of the clip, sounds of the methods, and the frequency axis.
    """
    if unknown := [name for name in methods if name not in METHODS]:
        raise InputError(f"methods must be from {', '.join(METHODS)}, got {unknown[0]!r}")
    if not set(methods) <= set(default_methods(interpreter.model)):
        raise InputError("methods must not have lmac, because there is no trained decoder")
    model, classifier = interpreter.model, interpreter.model.classifier
    audio_classifier = classifier.audio_classifier
    encoded = classifier.encode_clips(wav.unsqueeze(0).to(interpreter.device))
    query = audio_classifier.queries([prompt])
    prompts = ClassPrompts((prompt,), audio_classifier.competing_queries(query))
    batch = make_batch(model, [prompt], encoded, prompts, query.new_zeros(1).long())
    renderer = ClipRenderer(audio_classifier, wav)
    original = renderer.player("The clip", wav, "the clip")
    sounds = []
    for name in methods:
        mask = top_k_mask(explain(model, EXPLAINERS[name], batch).ranks, fraction)
        sound = classifier.apply_mask(encoded, mask)[0].detach().cpu()
        player = renderer.player(name, sound, f"masked-in sound of {name}")
        vector = audio_classifier(sound.unsqueeze(0).to(interpreter.device)).vector
        sounds.append(Take(name, player, audio_classifier.presence(vector, query).item()))
    return original, sounds, renderer.axis


def blinded(sounds: Sequence[Take], seed: int) -> tuple[list[Take], dict[str, str]]:
    """Shuffle sounds and replace their names by letters; return the letters' methods too.

    Example
    -------
    >>> from collections import namedtuple
    >>> Player = namedtuple("Player", "label alt")
    >>> given = [Take("energy", Player("energy", "masked-in sound of energy"), 0.3)]
    >>> blinded(given, seed=1)[1]
    {'A': 'energy'}
    """
    order = list(sounds)
    random.Random(seed).shuffle(order)
    hidden, key = [], {}
    for letter, take in zip(LETTERS, order):
        player = take.player._replace(label=letter, alt=f"masked-in sound of {letter}")
        hidden.append(Take(letter, player, None))
        key[letter] = take.name
    return hidden, key


def write_comparison(
    path: str | Path,
    name: str,
    prompt: str,
    original: Player,
    sounds: list[Take],
    axis: Axis,
    blind_seed: int | None = None,
    words: QuestionWords = PROMPT,
) -> list[Path]:
    """Write the comparison page. A blind page has letters for names, and a key file.

    Arguments
    ---------
    path : str or Path
        HTML file to write.
    name : str
        Name of the clip.
    prompt : str
        Explained prompt.
    original, sounds, axis
        Results of :func:`takes`.
    blind_seed : int
        Seed that shuffles the methods and hides their names. The key is written to
        ``<path>.key.json``. Default: names are shown.
    words : QuestionWords
        Words for the prompt. Default: those for a CLAP.

    Returns
    -------
    list of Path
        Written files.
    """
    path, key_path = Path(path), None
    audio = "".join(take.player.sound for take in sounds)
    content = f"{name}/{prompt}/{blind_seed}/{original.sound}/{audio}"
    page = f"{name}: {prompt} [{hashlib.sha256(content.encode()).hexdigest()[:12]}]"
    if blind_seed is not None:
        sounds, key = blinded(sounds, blind_seed)
        key_path = check_new_key(path)
        text = json.dumps({"page": page, "methods": key}, indent=2, ensure_ascii=False)
    html = render(
        "comparison.html.j2",
        title=f"“{prompt}” in {name}",
        page=page,
        prompt=prompt,
        original=original,
        takes=sounds,
        axis=axis,
        blind=blind_seed is not None,
        fraction=FRACTION,
        words=words,
    )
    if key_path is None:
        return [write_page(path, html)]
    # The key is written last. A page without a key (after a kill) is replaced; a key never is.
    with folder_lock(path.absolute().parent):
        check_new_key(path)
        return [write_page(path, html), write_text(key_path, text + "\n")]


def check_new_key(path: str | Path) -> Path:
    """Return the path of the key of a blind page; raise InputError if the key exists."""
    key_path = Path(path).with_suffix(".key.json")
    if key_path.exists():
        raise InputError(f"{key_path} is the key of a page. Give another --output")
    return key_path
