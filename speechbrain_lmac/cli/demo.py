"""``make demo``: hear an explanation, then the whole job from sounds to table, offline."""

import time
from pathlib import Path

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import save_audio
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture
from speechbrain_lmac.metrics.faithfulness import si_sdr
from speechbrain_lmac.utils.errors import report_errors
from speechbrain_lmac.utils.ownership import owned

KINDS = ("clock_alarm", "engine")
"""The two sounds of the mixture."""

SEED = 7
"""Of the mixture; no training clip has it."""

EPOCHS = {"mel": 20, "stft": 20}
"""Few: the demo shows the way, the shipped interpreters were trained for longer."""


@report_errors
def main(arguments=()):
    """Run the demo.

    Arguments
    ---------
    arguments : sequence of str
        Where everything is written, if not ``results/demo``.
    """
    start, folder = time.monotonic(), Path(*arguments or ["results/demo"])
    folder.mkdir(parents=True, exist_ok=True)
    scene = mixture(*KINDS, seed=SEED)
    path = folder / "mixture.wav"
    save_audio(path, scene.mixture, SAMPLE_RATE, through=owned)

    say(f"1. A shipped interpreter explains {path} ({' and '.join(KINDS)} at 0 dB)")
    explain("mini-mel", path, scene, folder / "shipped")
    say(f"   {time.monotonic() - start:.0f} s after the start")

    say("2. The whole job: synthesize, train on each plane, evaluate")
    results = {masking: train(masking, folder) for masking in EPOCHS}

    say("3. What the interpreters just trained make of the same mixture")
    for trained in results.values():
        explain(trained, path, scene, trained / "mixture")

    say("4. Where things are")
    for trained in results.values():
        say(f"   tables {trained / 'table.md'}, rows {trained / 'metrics.csv'}")
        say(f"   wavs and figure {trained / 'mixture'}, interpreter {trained / 'interpreter'}")
    say(f"   {time.monotonic() - start:.0f} s in all")


def explain(source, path, scene, folder):
    """Explain the mixture under its two prompts, and say what came of it."""
    interpreter = Interpreter.from_hparams(source=source, run_opts={"device": "cpu"})
    prompts = [class_prompt(kind) for kind in KINDS]
    why = interpreter.interpret_file(path, prompts)
    stems = (scene.first, scene.second)
    for i, (written, stem) in enumerate(zip(why.save(folder), stems)):
        before, after = si_sdr(scene.mixture, stem), si_sdr(why.waveform[i], stem)
        say(f"   “{prompts[i]}”, p = {why.probabilities[i]:.2f}: {written}")
        level = 10 * (why.waveform[i].square().mean() / stem.square().mean()).log10()
        say(
            f"      against its own stem: SI-SDR {before:+.1f} dB mixed, {after:+.1f} dB "
            f"explained, level {level:+.1f} dB"
        )
    overlap = (why.mask[0] * why.mask[1]).sum() / (why.mask[0].norm() * why.mask[1].norm())
    say(f"   cosine of the two masks {overlap:.2f}; figure {folder / 'figure.png'}")


def train(masking, folder):
    """Train, evaluate and export on one plane; return the results folder."""
    from speechbrain_lmac.training.train import main as run
    from speechbrain_lmac.utils.config import path_of

    results = folder / masking
    run(
        [
            str(path_of("lmac_zs.yaml")),
            *("--masking", masking),
            *("--output_folder", str(results)),
            *("--synthetic_folder", str(folder / "synthetic")),
            *("--number_of_epochs", str(EPOCHS[masking])),
            *("--device", "cpu"),
        ]
    )
    return results


def say(line):
    """Print at once, between the progress bars."""
    print(line, flush=True)
