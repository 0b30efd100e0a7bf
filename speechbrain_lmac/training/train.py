"""Training run: read the data, fit the decoder, export it and evaluate it.

``python train.py hparams/lmac_zs.yaml`` runs :func:`main`.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import speechbrain as sb
import torch
from speechbrain.utils.checkpoints import Checkpointer

from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.datasets import class_names
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.evaluation.predictions import with_predicted_labels
from speechbrain_lmac.evaluation.scoring import ClassPrompts
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.metrics.fills import check_fills
from speechbrain_lmac.pretrained.decoder_weights import load_decoder
from speechbrain_lmac.pretrained.export import check_exportable, export_interpreter
from speechbrain_lmac.pretrained.training_sources import write_earlier_sources
from speechbrain_lmac.training.brain import LMACBrain
from speechbrain_lmac.training.calibration import calibrate_decoder, check_calibrate
from speechbrain_lmac.training.data import clip_dataset
from speechbrain_lmac.training.loggers import check_loggers
from speechbrain_lmac.training.report import chosen_explainers, report, trained_method
from speechbrain_lmac.training.splits import Splits, data_folder_of, load_splits
from speechbrain_lmac.utils.config import load_hparams, print_settings, save_settings, seed_of
from speechbrain_lmac.utils.device import check_device, keep_freed_memory, warn_if_emulated
from speechbrain_lmac.utils.distributed import local_batch_size, shutdown
from speechbrain_lmac.utils.errors import InputError, report_errors
from speechbrain_lmac.utils.run_lock import run_lock
from speechbrain_lmac.utils.run_metadata import (
    lock_output_folder,
    run_settings,
    training_hashes,
    write_run_metadata,
)
from speechbrain_lmac.utils.settings_help import is_help_request

BACKEND = () if torch.cuda.is_available() else ("--distributed_backend", "gloo")
"""Default backend of distributed training."""
Report = Callable[[LMACBrain, Sequence[Clip], Mapping[str, Explainer], dict[str, Any]], None]
"""Function of the brain, the test clips, the explainers and the settings."""


@report_errors
def main(
    arguments: list[str] | None = None,
    command: Sequence[str] | None = None,
    evaluate_with: Report | None = None,
) -> None:
    """Train an interpreter.

    Arguments
    ---------
    arguments : list of str
        As for :func:`train`. Default: those of the command line.
    command, evaluate_with
        Arguments of :func:`train`.
    """
    arguments = arguments or sys.argv[1:]
    if is_help_request(arguments):
        print_settings(arguments[0])
    else:
        train(arguments, command, evaluate_with=evaluate_with)


def train(
    arguments: Sequence[str],
    command: Sequence[str] | None = None,
    extra_overrides: str = "",
    include_classifier: bool = False,
    evaluate_with: Report | None = None,
) -> None:
    """Train an interpreter, export it and evaluate it; InputError for invalid settings or data.

    Arguments
    ---------
    arguments : list of str
        Path of a YAML file, then ``--key value`` for each changed setting.
    command : list of str
        Words of the command as it was given, for ``run_metadata.json``. Default: those of
        ``train.py``.
    extra_overrides : str
        YAML of additional changes. Default: none.
    include_classifier : bool
        Whether the weights of a user's own classifier are exported, too. Default: False.
    evaluate_with : callable
        Evaluation of the trained decoder on the test clips. Default: :func:`report`.
    """
    keep_freed_memory()
    hparams_file, run_opts, overrides = sb.parse_arguments([*BACKEND, *arguments])
    overrides = "\n".join(filter(None, (overrides, extra_overrides)))
    check_device(run_opts.get("device"))
    warn_if_emulated(run_opts.get("device"), run_opts.get("precision"))
    sb.utils.distributed.ddp_init_group(run_opts)
    sb.utils.seed.seed_everything(seed_of(hparams_file, overrides))
    hparams = load_hparams(hparams_file, overrides)
    check_choices(hparams)
    explainers = chosen_explainers(hparams)
    classifier = hparams["model"].classifier.audio_classifier
    splits, of_data = load_splits(hparams, classifier, bool(run_opts.get("debug")))
    splits = label_splits(hparams, splits)
    prompts = class_prompts(hparams, of_data)
    if hparams["pretrained_decoder"] is not None:
        load_decoder(hparams["decoder"], hparams["pretrained_decoder"])
    settings = run_settings(hparams_file, overrides, run_opts)
    with results_folder_lock(hparams["output_folder"]):
        folder = prepare_folder(hparams, splits, settings)
        on_main = sb.utils.distributed.run_on_main
        on_main(save_settings, args=[hparams_file, overrides, folder])
        on_main(write_run_metadata, args=[folder, command or ["python", "train.py", *arguments]])
        brain = fit(hparams, splits, prompts, run_opts)
        network = brain.restore_best()
        if sb.utils.distributed.if_main_process():
            calibrate_decoder(brain, splits["valid"], hparams)
            method = trained_method(hparams)
            export_interpreter(network, method, folder / "interpreter", include_classifier)
            (evaluate_with or report)(brain, splits["test"], explainers, hparams)
    shutdown()


@contextmanager
def results_folder_lock(folder: str | Path) -> Iterator[None]:
    """Hold a results folder against other trainings; InputError if one is running in it."""
    with ExitStack() as stack:
        if sb.utils.distributed.if_main_process():
            stack.enter_context(run_lock(folder))
        yield


def check_choices(hparams: Mapping[str, Any]) -> None:
    """Raise InputError if a setting that names choices has no valid value."""
    check_calibrate(hparams["calibrate"])
    check_fills(hparams["mask_fills"])
    check_loggers(hparams)


def prepare_folder(hparams: dict[str, Any], splits: Splits, settings: Mapping[str, Any]) -> Path:
    """Lock the results folder for a run with these settings; write the clips of each split."""
    folder = Path(hparams["output_folder"])
    on_main = sb.utils.distributed.run_on_main
    # one process hashes the sounds
    on_main(lambda: lock_output_folder(folder, {**settings, **training_hashes(hparams, splits)}))
    check_exportable(folder / "interpreter")
    sb.create_experiment_directory(hparams["output_folder"])
    for name, clips in splits.items():
        on_main(manifest.write, args=[folder / f"{name}.csv", clips])
    if hparams["pretrained_decoder"] is not None:
        on_main(write_earlier_sources, args=[folder, hparams["pretrained_decoder"]])
    return folder


def fit(
    hparams: dict[str, Any], splits: Splits, prompts: ClassPrompts, run_opts: dict[str, Any]
) -> LMACBrain:
    """Train the decoder, or resume its training."""
    brain = LMACBrain(
        hparams["modules"],
        hparams["opt_class"],
        hparams,
        run_opts,
        hparams["checkpointer"],
        prompts=prompts,
    )
    if brain.test_only:
        check_trained(hparams["checkpointer"], hparams["output_folder"])
        brain.init_optimizers()  # fit does not
    batch_size = local_batch_size(hparams["batch_size"])
    brain.fit(
        hparams["epoch_counter"],
        clip_dataset(splits["train"], hparams),
        clip_dataset(splits["valid"], hparams),
        train_loader_kwargs={**hparams["train_loader"], "batch_size": batch_size},
        valid_loader_kwargs=hparams["valid_loader"],
    )
    return brain


def check_trained(checkpointer: Checkpointer, folder: str | Path) -> None:
    """Raise InputError if a results folder has no checkpoint to test."""
    if not checkpointer.list_checkpoints():
        raise InputError(
            f"--test_only needs a training in {folder}, got none. Train first by the same command "
            "without it"
        )


def label_splits(hparams: dict[str, Any], splits: Splits) -> Splits:
    """Splits with the labels that a supervised classifier predicts, otherwise unchanged."""
    classifier, seconds = hparams["model"].classifier.audio_classifier, hparams["clip_seconds"]
    return {
        name: with_predicted_labels(classifier, clips, seconds) for name, clips in splits.items()
    }


def class_prompts(hparams: dict[str, Any], of_data: Splits) -> ClassPrompts:
    """Classes that clips are scored against, and their query vectors.

    They are those of a supervised classifier, or of the data folder.
    """
    clips = [clip for split in of_data.values() for clip in split]
    classifier = hparams["model"].classifier.audio_classifier
    names = classifier.class_names or class_names(
        data_folder_of(hparams), clips, hparams["classes"]
    )
    return ClassPrompts(names, classifier.class_queries(names, hparams["eval_templates"]))
