"""The training run: prepare, fit, export, evaluate. ``python train.py`` is this."""

import logging
import math
import sys
from pathlib import Path

import speechbrain as sb
import torch
from tqdm import tqdm

from speechbrain_lmac.audio.io import check_clip
from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.datasets import check_sources, class_names, read_clips, split_by_fold
from speechbrain_lmac.data.pipeline import dataset
from speechbrain_lmac.data.synthetic_dataset import write_dataset
from speechbrain_lmac.evaluation import tables
from speechbrain_lmac.evaluation.scoring import ClassPrompts, clip_seed, evaluate, write_rows
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.losses.objective import method_name
from speechbrain_lmac.models.clap.base import check_window
from speechbrain_lmac.pretrained.export import check_exportable, export_interpreter, load_decoder
from speechbrain_lmac.training.brain import LMACBrain
from speechbrain_lmac.training.calibration import calibrate
from speechbrain_lmac.utils.config import load_hparams, save_settings
from speechbrain_lmac.utils.device import check_device, keep_freed_memory
from speechbrain_lmac.utils.distributed import local_batch_size, shutdown
from speechbrain_lmac.utils.errors import InputError, report_errors
from speechbrain_lmac.utils.files import write_text
from speechbrain_lmac.utils.run_metadata import lock_output_folder, run_identity, write_run_metadata

BACKEND = () if torch.cuda.is_available() else ("--distributed_backend", "gloo")
"""By which processes speak, unless the command line says another."""
MIXTURES = 64
"""Of validation clips, on which masks are calibrated."""
NUMBERS = {
    **dict.fromkeys(
        ("batch_size", "prompts_per_clip", "encoded_prompts_per_clip"), (int, 1, math.inf)
    ),
    **dict.fromkeys(("valid_interval", "chunk_size"), (int, 1, math.inf)),
    "number_of_epochs": (int, 0, math.inf),
    "lr": (int | float, 1e-12, math.inf),
    "clip_seconds": (int | float, 0.01, math.inf),
    "mix_probability": (int | float, 0, 1),
    "feature_dropout": (int | float, 0, 0.99),
}
"""Of the settings: kind, least and greatest."""
logger = logging.getLogger(__name__)


@report_errors
def main(arguments=None):
    """Train an interpreter as a YAML file says.

    Arguments
    ---------
    arguments : list of str
        The YAML file, then ``--key value`` for each change; the command line's by default.
    """
    keep_freed_memory()
    arguments = arguments or sys.argv[1:]
    hparams_file, run_opts, overrides = sb.parse_arguments([*BACKEND, *arguments])
    check_device(run_opts.get("device"))
    sb.utils.distributed.ddp_init_group(run_opts)
    hparams = load_hparams(hparams_file, overrides)
    explainers = chosen_explainers(hparams)
    splits, of_data = prepare(hparams)
    hparams["prompts"] = label_prompts(hparams, of_data)
    if hparams["pretrained_decoder"] is not None:
        load_decoder(hparams["decoder"], hparams["pretrained_decoder"])
    folder = Path(hparams["output_folder"])
    # one process hashes the sounds, for all
    sb.utils.distributed.run_on_main(
        lambda: lock_output_folder(folder, run_identity(hparams, splits))
    )
    check_exportable(folder / "interpreter")
    sb.create_experiment_directory(hparams["output_folder"], overrides=overrides)
    sb.utils.distributed.run_on_main(save_settings, args=[hparams_file, overrides, folder])
    sb.utils.distributed.run_on_main(write_run_metadata, args=[folder, "train.py", arguments])
    for name, held in splits.items():
        sb.utils.distributed.run_on_main(manifest.write, args=[folder / f"{name}.csv", held])

    sets = {
        name: dataset(clips, hparams["clap"].sample_rate, hparams["clip_seconds"])
        for name, clips in splits.items()
    }
    brain = LMACBrain(
        hparams["modules"], hparams["opt_class"], hparams, run_opts, hparams["checkpointer"]
    )
    hparams["train_loader"]["batch_size"] = local_batch_size(hparams["batch_size"])
    if brain.test_only:
        check_trained(hparams["checkpointer"], folder)
        brain.init_optimizers()  # which fit would do
    brain.fit(
        hparams["epoch_counter"],
        sets["train"],
        sets["valid"],
        train_loader_kwargs=hparams["train_loader"],
        valid_loader_kwargs=hparams["valid_loader"],
    )
    best = brain.restore_best()
    if sb.utils.distributed.if_main_process():
        if hparams["calibrate"]:
            calibrate_decoder(brain, splits["valid"], hparams)
        export_interpreter(best, trained_method(hparams), folder / "interpreter")
        report(brain, sets["test"], explainers, hparams)
    shutdown()


def check_trained(checkpointer, folder):
    """Raise InputError if there is no training to be tested in a results folder."""
    if not checkpointer.list_checkpoints():
        raise InputError(
            f"--test_only needs a training in {folder}, got none. Train first by the same command "
            "without it"
        )


def calibrate_decoder(brain, clips, hparams):
    """Calibrate the decoder on mixtures of validation clips, and say how."""
    drawn = sorted(clips, key=lambda clip: clip_seed(clip.ID, hparams["seed"]))[:MIXTURES]
    held = dataset(drawn, hparams["clap"].sample_rate, hparams["clip_seconds"])
    loader = brain.make_dataloader(held, sb.Stage.TEST, ckpt_prefix=None, **hparams["valid_loader"])
    batches = [(batch.label, batch.text, batch.sig.data.to(brain.device)) for batch in loader]
    rows = hparams["prompts_per_clip"]
    found = calibrate(brain.model, batches, hparams["prompts"], hparams["objective"], rows)
    if found is not None:
        logger.info(
            "calibrated on %d mixtures of validation clips: logits over %.2f, plus %.1f (%.4f to "
            "%.4f)",
            len(drawn),
            *found,
        )


def trained_method(hparams):
    """Name of the method that the settings train."""
    return method_name(hparams["objective"].terms + hparams["gate"].terms)


def prepare(hparams):
    """Read the data, share it out by fold, and hear that every sound can be used.

    Returns
    -------
    dict, dict
        Split name -> list of Clip: all, and those of the data alone.
    """
    check_numbers(hparams)
    data_folder = hparams["data_folder"]
    if data_folder is None:
        data_folder = hparams["synthetic_folder"]
        sb.utils.distributed.run_on_main(write_dataset, args=[data_folder], kwargs={"seed": 0})
    clips = read_clips(data_folder)
    of_data, beside = split_data(hparams, clips)
    splits = {
        name: [*of_data.get(name, []), *beside.get(name, [])] for name in ("train", "valid", "test")
    }
    check_sources(splits)
    if hparams["number_of_epochs"] < 1 or len(splits["train"]) < hparams["batch_size"]:
        raise InputError(
            f"nothing to train: {len(splits['train'])} training clips, batch_size "
            f"{hparams['batch_size']}, number_of_epochs {hparams['number_of_epochs']}"
        )
    check_window(hparams["clap"], hparams["clip_seconds"])
    stretches = {(c.wav, c.start, c.stop) for held in splits.values() for c in held}
    for wav, start, stop in tqdm(sorted(stretches), "checking sounds"):
        check_clip(wav, hparams["clip_seconds"], start, stop)
    return splits, of_data


def check_numbers(hparams):
    """Raise InputError if a number of the settings cannot be meant."""
    for name, (kind, least, most) in NUMBERS.items():
        value = hparams[name]
        if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
            sort = "a whole number" if kind is int else "a number"
            upper = "" if most == math.inf else f" to {most:g}"
            raise InputError(f"{name} is {sort} from {least:g}{upper}, not {value!r}")
    if hparams["encoded_prompts_per_clip"] > hparams["prompts_per_clip"]:
        raise InputError(
            "encoded_prompts_per_clip is at most prompts_per_clip: what is heard has a mask"
        )


def split_data(hparams, clips):
    """Who teaches, selects and tests.

    Returns
    -------
    dict, dict
        Split name -> list of Clip: of folds of the data, and of manifests instead of them or
        beside.
    """
    folds = {name: hparams[f"{name}_folds"] for name in ("train", "valid", "test")}
    instead, further = hparams["train_manifest"], hparams["extra_train_manifest"]
    if instead is not None:  # the data's folds test, and select if there are some
        del folds["train"]
        if folds["valid"] == []:
            del folds["valid"]
    of_data = split_by_fold(clips, **folds)
    beside = {"train": [], "valid": []} if instead is None else read_manifest_splits(instead)
    if "valid" in of_data:
        beside["valid"] = []
    elif not beside["valid"]:
        raise InputError("nothing selects the epoch: no valid_folds, no valid clip described")
    if further is not None:
        held = {clip.ID for those in (of_data, beside) for part in those.values() for clip in part}
        for name, more in read_manifest_splits(further).items():
            twice = held & {clip.ID for clip in more}
            if twice:
                raise InputError(f"{min(twice)} is an ID of the data and of the further manifest")
            beside[name] = [*beside[name], *more]
    return of_data, beside


def read_manifest_splits(path):
    """Clips of a manifest that teach and that select; those of its test split do neither."""
    clips = manifest.read(path)
    return {
        "train": [clip for clip in clips if clip.split in ("", "train")],
        "valid": [clip for clip in clips if clip.split == "valid"],
    }


def label_prompts(hparams, of_data):
    """The names that clips are scored against, embedded: those of the data, not of what is heard
    beside them.
    """
    folder = hparams["data_folder"] or hparams["synthetic_folder"]
    clips = [clip for held in of_data.values() for clip in held]
    names = class_names(folder, clips, hparams["classes"])
    return ClassPrompts(names, hparams["clap"].embed_names(names, hparams["eval_templates"]))


def chosen_explainers(hparams):
    """The trained interpreter under its method's name, and what it is compared with."""
    for name in hparams["baselines"]:
        if name not in EXPLAINERS:
            raise InputError(f"baselines names {name!r}; there are {', '.join(EXPLAINERS)}")
        if not {"text", "seeds", "names"}.issuperset(EXPLAINERS[name].needs):
            raise InputError(f"baselines names {name}, which evaluate.py alone can ask")
    others = {name: EXPLAINERS[name] for name in hparams["baselines"]}
    return {trained_method(hparams): EXPLAINERS["lmac"], **others}


def report(brain, test_set, explainers, hparams):
    """Evaluate the explainers on the test clips; print and write rows and tables."""
    folder = Path(hparams["output_folder"])
    loader = brain.make_dataloader(
        test_set, sb.Stage.TEST, ckpt_prefix=None, **hparams["valid_loader"]
    )
    batches = [(batch.id, batch.sig.data.to(brain.device)) for batch in tqdm(loader, "reading")]
    rows = evaluate(brain.model, explainers, batches, hparams["prompts"])
    write_rows(folder / "metrics.csv", rows)
    what = (
        f"{len(test_set)} test clips, {len(hparams['prompts'].names)} names, "
        f"{hparams['masking']} masking, folds {hparams['test_folds']}"
    )
    text = tables.report(rows, trained_method(hparams), what)
    write_text(folder / "table.md", text)
    logger.info("\n%s", text)
    logger.info("rows: %s; tables: %s", folder / "metrics.csv", folder / "table.md")
