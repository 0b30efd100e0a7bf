"""Systems under test: a classifier, its masking domain, an interpreter, and the explainers."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.evaluation.benchmark.conditions import ABSENT, CLEAN, TWO_SOURCE, Condition
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import build
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.pretrained.building import check_given
from speechbrain_lmac.pretrained.checkpoint import check_classifier, read_interpreter
from speechbrain_lmac.pretrained.decoder_weights import DECODER_FILE, DECODERS, load_decoder
from speechbrain_lmac.pretrained.training_sources import TrainingSources, read_training_sources
from speechbrain_lmac.utils.errors import InputError

LEARNED = "lmac"
"""Explainer whose rows are named after the method of the interpreter."""
DEFAULT = " (default)"
"""Suffix of the rows of a baseline with default settings, if tuning chose other settings."""


class SystemUnderTest(NamedTuple):
    """A model in one masking domain, and the origin of its decoder."""

    domain: str
    model: InterpreterNetwork
    method: str | None
    """Method of the interpreter. None: no interpreter, the decoder is untrained."""
    decoder_sha256: str
    sources: TrainingSources
    """Recordings that the interpreter was trained or selected on."""

    @property
    def decoder_id(self) -> str:
        """First digits of the decoder's hash, which records that involve the decoder bear."""
        return self.decoder_sha256[:16]


def load_systems(hparams: Mapping[str, Any]) -> list[SystemUnderTest]:
    """Load one system for each masking domain of the settings."""
    sources = hparams["interpreters"] or {}
    if not isinstance(sources, Mapping):
        raise InputError(
            'interpreters must be a mapping such as "{mel: FOLDER, stft: FOLDER}" or null, got '
            f"{sources!r}"
        )
    clap = hparams["audio_classifier"]
    return [load_system(clap, domain, sources.get(domain)) for domain in hparams["maskings"]]


def load_system(clap: AudioClassifier, domain: str, source: str | Path | None) -> SystemUnderTest:
    """Load the system of one masking domain; with an untrained decoder if ``source`` is None."""
    classifier = MaskedClassifier(build(domain, clap))
    if source is None:
        untrained = MaskDecoder(clap.hidden_channels, clap.query_dim)
        model = InterpreterNetwork(classifier, untrained).eval().to(clap.filterbank.device)
        untrained_on = TrainingSources(frozenset(), is_complete=True)
        return SystemUnderTest(domain, model, None, "", untrained_on)
    try:
        folder, config, files, weights, labels = read_interpreter(source)
    except InputError as error:
        raise InputError(
            f"interpreters, {domain}: {error} Train one by train.py with the settings of this CLAP "
            f"and --masking {domain}, or set --interpreters null"
        ) from error
    check_classifier(config.notes, clap, folder)
    check_given(clap, labels)
    domains = {kind.__name__ for kind in type(classifier.domain).__mro__}
    if config.parts["domain"].kind.rpartition(".")[2] not in domains:
        raise InputError(f"interpreters, {domain}: {folder} was trained in another masking domain")
    classifier = MaskedClassifier(build(domain, clap, **config.parts["domain"].settings))
    kind, settings = config.parts["decoder"]
    decoder = DECODERS[kind](**settings)
    load_decoder(decoder, folder / DECODER_FILE, weights)
    model = InterpreterNetwork(classifier, decoder).eval().to(clap.filterbank.device)
    sha256 = hashlib.sha256(files.decoder).hexdigest()
    method = config.notes["method"]
    return SystemUnderTest(domain, model, method, sha256, read_training_sources(folder.parent))


def check_held_out(systems: Iterable[SystemUnderTest], clips: Iterable[Clip]) -> None:
    """Raise InputError if an interpreter was trained or selected on the recording of a clip."""
    clips = list(clips)
    for system in systems:
        for clip in clips:
            if clip.src_file in system.sources.recordings:
                raise InputError(
                    f"test_folds must be held out, but the {system.domain} interpreter was trained "
                    f"or selected on {clip.ID}. Give other --test_folds"
                )


def check_one_method(systems: Iterable[SystemUnderTest]) -> None:
    """Raise InputError for interpreters of different methods: one method is compared with all."""
    methods = sorted({system.method for system in systems if system.method})
    if len(methods) > 1:
        raise InputError(
            f"interpreters must be of one method, got {' and '.join(methods)}. Evaluate each "
            "masking domain in a run of its own"
        )


def check_queries(
    systems: Iterable[SystemUnderTest], hparams: Mapping[str, Any], num_clips: Mapping[str, Any]
) -> None:
    """Raise InputError for settings that ask for other classes of an unconditioned decoder.

    Such a decoder, as that of ``lmac_paper.yaml``, explains the predicted class only.
    """
    kinds = (TWO_SOURCE, ABSENT)
    asked = [name for name in hparams["conditions"] if name.partition("@")[0] in kinds]
    asked += [name for name in hparams["explainers"] if name == "shuffled-prompt"]
    asked += ["randomized"] if num_clips["randomized"] else []
    for system in systems:
        if asked and not system.model.explains_any_query:
            raise InputError(
                f"the {system.domain} interpreter explains the predicted class only, but "
                f"{', '.join(asked)} ask for other classes. Leave them out of --conditions and "
                "--explainers, and set randomized to 0 in --num_clips"
            )


def choose_explainers(hparams: Mapping[str, Any], system: SystemUnderTest) -> dict[str, Explainer]:
    """Return the explainers of the settings that a system supports, by name in the registry."""
    unknown = [name for name in hparams["explainers"] if name not in EXPLAINERS]
    if unknown:
        raise InputError(f"explainers must be from {', '.join(EXPLAINERS)}, got {unknown[0]!r}")
    explainers = {name: _with_options(hparams, name) for name in hparams["explainers"]}
    return {
        name: explainer
        for name, explainer in explainers.items()
        if system.method is not None or not explainer.learned
    }


def _with_options(hparams: Mapping[str, Any], name: str) -> Explainer:
    options = hparams["explainer_kwargs"].get(name, {})
    explainer = EXPLAINERS[name]
    assert is_dataclass(explainer)  # as every explainer of the registry
    known = {field.name for field in fields(explainer)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise InputError(
            f"explainer_kwargs of {name} must be from {', '.join(sorted(known))}, got "
            f"{unknown[0]!r}"
        )
    return replace(explainer, **options)


def row_name(name: str, system: SystemUnderTest) -> str:
    """Return the name of an explainer in the results."""
    return system.method if name == LEARNED and system.method else name


def needs_sources(explainer: Explainer) -> bool:
    """Return whether an explainer needs the sources of a mixture."""
    return bool({"target_power", "residual_power"} & set(explainer.needs))


def is_applicable(explainer: Explainer, condition: Condition) -> bool:
    """Return whether an explainer works under a condition: clean clips have no other source."""
    return condition.kind != CLEAN or not needs_sources(explainer)
