"""Train an interpreter for a zero-shot audio classifier on ESC-50 (LMAC-ZS).

To run this recipe, use the following command:
> python train.py hparams/lmac_zs_mini.yaml --data_folder /path/to/ESC-50-master
"""

import sys
from pathlib import Path

import speechbrain as sb
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.distributed import if_main_process, run_on_main

from speechbrain_lmac.data.datasets import read_clips, split_by_fold
from speechbrain_lmac.data.pipeline import build_dataset
from speechbrain_lmac.data.prepare import prepare_labeled
from speechbrain_lmac.evaluation.benchmark.clips import stratify
from speechbrain_lmac.pretrained.decoder_weights import load_decoder
from speechbrain_lmac.pretrained.export import export_interpreter
from speechbrain_lmac.training.brain import LMACBrain
from speechbrain_lmac.training.calibration import calibrate_decoder
from speechbrain_lmac.training.report import chosen_explainers, report, trained_method
from speechbrain_lmac.training.train import check_trained, class_prompts

DEBUG_CLIPS = 4
"""Validation and test clips of ``--debug``."""


def dataio_prep(hparams, debug):
    """Return the clips of each split, and the data sets that train and validate."""
    clips = split_by_fold(
        read_clips(hparams["manifest"]),
        train=hparams["train_folds"],
        valid=hparams["valid_folds"],
        test=hparams["test_folds"],
    )
    if debug:
        clips = {**clips, **{s: stratify(clips[s], 0)[:DEBUG_CLIPS] for s in ("valid", "test")}}
    sample_rate = hparams["audio_classifier"].sample_rate
    datasets = {
        split: build_dataset(clips[split], sample_rate, hparams["clip_seconds"])
        for split in ("train", "valid")
    }
    return clips, datasets


def evaluate(brain, clips, hparams):
    """Calibrate and export the best decoder, and compare it with baselines on the test clips."""
    network = brain.restore_best()
    calibrate_decoder(brain, clips["valid"], hparams)
    method = trained_method(hparams)
    export_interpreter(network, method, Path(hparams["output_folder"]) / "interpreter")
    report(brain, clips["test"], chosen_explainers(hparams), hparams)


if __name__ == "__main__":
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    sb.utils.distributed.ddp_init_group(run_opts)
    with open(hparams_file, encoding="utf-8") as fin:
        hparams = load_hyperpyyaml(fin, overrides)
    hparams.update(
        eval_templates=hparams["eval_templates"],
        classes=hparams["classes"],
        baselines=hparams["baselines"],
        calibrate=hparams["calibrate"],
        valid_loader=hparams["valid_dataloader_opts"],
    )
    sb.create_experiment_directory(
        experiment_directory=hparams["output_folder"],
        hyperparams_to_save=hparams_file,
        overrides=overrides,
    )
    if not hparams["skip_prep"]:
        run_on_main(prepare_labeled, args=[hparams["data_folder"], hparams["manifest"]])
    clips, datasets = dataio_prep(hparams, run_opts["debug"])
    if hparams["pretrained_decoder"] is not None:
        load_decoder(hparams["decoder"], hparams["pretrained_decoder"])

    brain = LMACBrain(
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams["brain_settings"],
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
        prompts=class_prompts({**hparams, "data_folder": hparams["manifest"]}, clips),
    )
    if brain.test_only:
        check_trained(hparams["checkpointer"], hparams["output_folder"])
        brain.init_optimizers()
    brain.fit(
        epoch_counter=brain.hparams.epoch_counter,
        train_set=datasets["train"],
        valid_set=datasets["valid"],
        train_loader_kwargs=hparams["train_dataloader_opts"],
        valid_loader_kwargs=hparams["valid_dataloader_opts"],
    )
    if if_main_process():
        evaluate(brain, clips, hparams)
