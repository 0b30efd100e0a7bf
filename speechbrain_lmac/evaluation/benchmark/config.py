"""What a bench run is made of: clips, models, methods, read from the settings at the door."""

import csv
import hashlib
import json
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from speechbrain_lmac.audio.io import check_clip
from speechbrain_lmac.data.datasets import class_names, read_clips, split_by_fold
from speechbrain_lmac.data.synthetic_dataset import write_dataset
from speechbrain_lmac.evaluation.benchmark import conditions
from speechbrain_lmac.evaluation.scoring import ClassPrompts, clip_seed
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import build
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.metrics.top_k import BUDGETS
from speechbrain_lmac.pretrained.checkpoint import check_classifier, read_interpreter
from speechbrain_lmac.pretrained.export import DECODER_FILE, load_decoder
from speechbrain_lmac.utils.download import digest
from speechbrain_lmac.utils.errors import InputError

LEARNED = "lmac"
"""The explainer whose row bears the name of the interpreter's method."""
UNTUNED = " (untuned)"
"""Ends the name of a row of a baseline as it comes, where tuning chose another variant."""


class Clips(NamedTuple):
    """The clips of a run."""

    tested: list
    """Stratified by class: any first so many of them are."""
    valid: list
    """To tune baselines on."""
    others: list
    """The rest of the set, which may be laid over clips."""
    whole: list
    """All of the set."""


class SystemUnderTest(NamedTuple):
    """What is explained on one plane, and by which decoder."""

    masking: str
    model: InterpreterNetwork
    method: str | None
    """Name of the interpreter's method; None without an interpreter."""
    decoder_sha256: str
    sources: frozenset | None = None
    """Recordings that the interpreter learnt from and was selected on; None: not known."""

    @property
    def stamp(self):
        """What rows bear that the decoder has part in."""
        return self.decoder_sha256[:16]


KINDS = {
    **dict.fromkeys(
        ("maskings", "conditions", "explainers", "subset_only_explainers", "top_k_fractions"), list
    ),
    **dict.fromkeys(("noise_folders", "explainer_kwargs", "num_clips", "debug_num_clips"), dict),
}
"""Settings that are lists or mappings, such as ``[clean]`` and ``{speech: FOLDER}``."""
SIZES = {"clips", "valid_clips", "subset", "randomized"}


def check_settings(hparams):
    """Raise InputError for settings that cannot be meant."""
    for name, kind in KINDS.items():
        if not isinstance(hparams[name], kind):
            like = "[a, b]" if kind is list else "{a: b}"
            raise InputError(f"{name} is written as {like}, not {hparams[name]!r}")
    for name in ("num_clips", "debug_num_clips"):
        if set(hparams[name]) != SIZES:
            raise InputError(f"{name} holds {', '.join(sorted(SIZES))}, and nothing else")
    named = [conditions.parse(name) for name in hparams["conditions"] if name != conditions.ABSENT]
    levels = [abs(c.snr_db) for c in named if c.kind == conditions.TWO_SOURCE]
    if len(set(levels)) < len(levels):
        raise InputError(
            "a two_source condition asks for both sounds, at its SNR and at minus that: leave the "
            f"other out of {', '.join(hparams['conditions'])}"
        )
    strange = sorted(set(hparams["explainer_kwargs"]) - set(EXPLAINERS))
    if strange:
        raise InputError(
            f"explainer_kwargs names {strange[0]!r}; there are {', '.join(EXPLAINERS)}"
        )
    if hparams["top_k_fractions"] and not set(BUDGETS) <= set(hparams["top_k_fractions"]):
        raise InputError(f"top_k_fractions is [] or holds at least {', '.join(map(str, BUDGETS))}")


def choose_clips(hparams, sizes):
    """The clips tested, those that baselines are tuned on, and the rest.

    Arguments
    ---------
    hparams : dict
        With ``data_folder``, ``synthetic_folder``, ``test_folds`` and ``valid_folds``.
    sizes : dict
        With ``clips`` and ``valid_clips``; None for all.

    Returns
    -------
    Clips
    """
    folder = hparams["data_folder"]
    if folder is None:
        folder = write_dataset(hparams["synthetic_folder"], seed=0)
    clips = read_clips(folder)
    if hparams["exclude_sources_from"] is not None:
        shared = {clip.src_file for clip in read_clips(hparams["exclude_sources_from"])}
        clips = [clip for clip in clips if clip.src_file not in shared]
    folds = {"valid": hparams["valid_folds"], "test": hparams["test_folds"]}
    if hparams["valid_folds"] == []:
        folds.pop("valid")
    held = split_by_fold(clips, **folds)
    tested = stratified(held["test"], hparams["seed"])[: sizes["clips"]]
    valid = stratified(held.get("valid", []), hparams["seed"])[: sizes["valid_clips"]]
    others = [clip for clip in clips if clip.fold not in hparams["test_folds"]]
    return Clips(tested, valid, others, clips)


def stratified(clips, seed):
    """Clips in an order of which every beginning holds the classes alike, drawn from a seed."""
    by_label: dict = {}
    for clip in sorted(clips, key=lambda clip: clip_seed(clip.ID, seed)):
        by_label.setdefault(clip.label, []).append(clip)
    turns = [(turn, label) for label in sorted(by_label) for turn in range(len(by_label[label]))]
    return [by_label[label][turn] for turn, label in sorted(turns)]


def check_sounds(clips, seconds):
    """Raise InputError for a clip that cannot be heard, before anything is measured."""
    for clip in tqdm([*clips.tested, *clips.valid], "checking sounds"):
        check_clip(clip.wav, seconds, clip.start, clip.stop)


def name_prompts(hparams, clips):
    """The names that clips are scored against, embedded."""
    folder = hparams["data_folder"] or hparams["synthetic_folder"]
    names = class_names(folder, clips.whole, hparams["classes"])
    return ClassPrompts(names, hparams["clap"].class_queries(names, hparams["eval_templates"]))


def subjects(hparams):
    """What is explained, plane by plane."""
    sources = hparams["interpreters"] or {}
    if not isinstance(sources, dict):
        raise InputError('interpreters is such as "{mel: FOLDER, stft: FOLDER}", null for none')
    clap = hparams["clap"]
    return [subject(clap, masking, sources.get(masking)) for masking in hparams["maskings"]]


def subject(clap, masking, source):
    """What is explained on one plane; ``source`` is as for ``Interpreter.from_hparams``."""
    classifier = MaskedClassifier(build(masking, clap))
    if source is None:
        untrained = MaskDecoder(clap.hidden_channels, clap.query_dim)
        model = InterpreterNetwork(classifier, untrained).eval().to(clap.filterbank.device)
        return SystemUnderTest(masking, model, None, "", frozenset())
    try:
        folder, blueprint, files, weights = read_interpreter(source)
    except InputError as error:
        raise InputError(
            f"interpreters, {masking}: {error}; or train one by train.py with this CLAP's settings "
            f"and --masking {masking}; or give --interpreters null to go without"
        ) from error
    check_classifier(blueprint.notes, clap, folder)
    planes = {kind.__name__ for kind in type(classifier.domain).__mro__}
    if blueprint.parts["domain"].kind.rpartition(".")[2] not in planes:
        raise InputError(f"{folder} masks another plane than {masking}")
    decoder = MaskDecoder(**blueprint.parts["decoder"].settings)
    load_decoder(decoder, folder / DECODER_FILE, weights)
    model = InterpreterNetwork(classifier, decoder).eval().to(clap.filterbank.device)
    sha256 = hashlib.sha256(files.decoder).hexdigest()
    return SystemUnderTest(masking, model, blueprint.notes["method"], sha256, learnt_from(folder))


def learnt_from(folder):
    """Recordings that a training run named beside its interpreter; None if it did not."""
    tables = [folder.parent / name for name in ("train.csv", "valid.csv")]
    if not all(path.is_file() for path in tables):
        return None
    rows = [row for path in tables for row in csv.DictReader(path.open(encoding="utf-8"))]
    return frozenset(row["src_file"] for row in rows)


def check_unheard(subjects, clips):
    """Refuse to test an interpreter on recordings that it learnt from."""
    for subject in subjects:
        held = subject.sources or frozenset()
        known = [clip for clip in clips if clip.src_file in held]
        if known:
            raise InputError(
                f"the {subject.masking} interpreter learnt from {known[0].ID} or was selected on "
                "it: name other test_folds"
            )


def chosen_explainers(hparams, subject):
    """The explainers of the settings that can be asked here: name in the registry -> explainer."""
    unknown = [name for name in hparams["explainers"] if name not in EXPLAINERS]
    if unknown:
        raise InputError(f"explainers names {unknown[0]!r}; there are {', '.join(EXPLAINERS)}")
    held = {name: _with_options(hparams, name) for name in hparams["explainers"]}
    return {
        name: explainer
        for name, explainer in held.items()
        if subject.method is not None or not explainer.learned
    }


def _with_options(hparams, name):
    options = hparams["explainer_kwargs"].get(name, {})
    known = {field.name for field in fields(EXPLAINERS[name])}
    strange = sorted(set(options) - known)
    if strange:
        raise InputError(f"{name} has no option {strange[0]}; there are {', '.join(sorted(known))}")
    return replace(EXPLAINERS[name], **options)


def row_name(name, subject):
    """What an explainer's rows are called."""
    return subject.method if name == LEARNED else name


def asks_stems(explainer):
    """Whether an explainer needs to know what a mixture is made of."""
    return bool({"target_power", "residual_power"} & set(explainer.needs))


def possible(explainer, condition):
    """Whether an explainer can be asked under a condition: nothing is mixed into clean clips."""
    return condition.kind != conditions.CLEAN or not asks_stems(explainer)


_digest = cache(lambda wav: digest(Path(wav)))


def manifest_hash(clips, prompts, scenes):
    """What rows were measured on: clips, names, and what lies over the clips."""
    held = [
        [clip.ID, clip.label, clip.fold, clip.start, clip.stop, _digest(clip.wav)] for clip in clips
    ]
    over = [
        [s.ID, s.prompt, s.snr_db, s.row and [Path(s.row.other).name, s.row.offset, s.row.seed]]
        for s in scenes
    ]
    text = json.dumps([held, list(prompts.names), over])
    return hashlib.sha256(text.encode()).hexdigest()
