"""``speechbrain-lmac demo``: explain, train and evaluate on synthetic sounds, without a network."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from speechbrain_lmac.utils.errors import report_errors

if TYPE_CHECKING:
    from speechbrain_lmac.data.synthetic import Mixture

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac demo
  speechbrain-lmac demo results/first-look
"""
CLASSES = ("clock_alarm", "engine")
"""Classes of the two sounds in the mixture."""
SEED = 7
"""Seed of the mixture, which no training clip has."""
EPOCHS = {"mel": 20, "stft": 20}
"""Training epochs by masking domain, fewer than for the pretrained interpreters."""


@report_errors
def run(
    folder: Annotated[str, Argument(metavar="FOLDER", help="Output folder.")] = "results/demo",
) -> int:
    """Explain, train and evaluate on synthetic sounds.

    It takes a few minutes on a CPU and needs no network. The same command resumes an interrupted
    run.
    """
    from speechbrain_lmac.audio.io import save_audio
    from speechbrain_lmac.cli.demo_classifier import train_and_explain
    from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture
    from speechbrain_lmac.utils.ownership import owned_file

    start, root = time.monotonic(), Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    scene = mixture(*CLASSES, seed=SEED)
    path = root / "mixture.wav"
    save_audio(path, scene.mixture, SAMPLE_RATE, writer=owned_file)

    say(f"1. A pretrained interpreter explains {path} ({' and '.join(CLASSES)} at 0 dB)")
    explain("mini-mel", path, scene, root / "pretrained")
    say(f"   after {time.monotonic() - start:.0f} s")

    say("2. Synthesize sounds, train and evaluate an interpreter in each masking domain")
    results = {masking: train(masking, root) for masking in EPOCHS}

    say("3. The new interpreters explain the same mixture")
    for trained in results.values():
        explain(trained, path, scene, trained / "mixture")
    say("4. Train a supervised classifier of these sounds and its interpreter, explain a test clip")
    say(f"   {train_and_explain(root / 'supervised', root / 'synthetic')}")

    say("5. Files")
    for trained in results.values():
        say(f"   tables {trained / 'results.md'}, results per clip {trained / 'metrics.csv'}")
        say(f"   sounds and figure {trained / 'mixture'}, interpreter {trained / 'interpreter'}")
    say(f"   {time.monotonic() - start:.0f} s in total")
    return 0


def explain(source: str | Path, path: Path, scene: "Mixture", folder: Path) -> None:
    """Explain the mixture under both prompts and print how well the sources are separated."""
    from speechbrain_lmac import Interpreter
    from speechbrain_lmac.data.prompts import class_prompt
    from speechbrain_lmac.metrics.faithfulness import si_sdr

    interpreter = Interpreter.from_hparams(source=source, run_opts={"device": "cpu"})
    prompts = [class_prompt(name) for name in CLASSES]
    result = interpreter.interpret_file(path, prompts)
    stems = (scene.first, scene.second)
    for i, (written, stem) in enumerate(zip(result.save(folder), stems)):
        before, after = si_sdr(scene.mixture, stem), si_sdr(result.waveform[i], stem)
        level = 10 * (result.waveform[i].square().mean() / stem.square().mean()).log10()
        say(f"   “{prompts[i]}”, probability {result.probabilities[i]:.2f}: {written}")
        say(
            f"      compared with its source: SI-SDR {before:+.1f} dB in the mixture, "
            f"{after:+.1f} dB masked-in, level {level:+.1f} dB"
        )
    overlap = (result.mask[0] * result.mask[1]).sum()
    cosine = overlap / (result.mask[0].norm() * result.mask[1].norm())
    say(f"   cosine similarity of the two masks {cosine:.2f}; figure {folder / 'figure.png'}")


def train(masking: str, folder: Path) -> Path:
    """Train, evaluate and export an interpreter in a masking domain; return its results folder."""
    from speechbrain_lmac.training.train import main
    from speechbrain_lmac.utils.config import hparams_path

    results = folder / masking
    main(
        [
            str(hparams_path("lmac_zs.yaml")),
            *("--masking", masking),
            *("--output_folder", str(results)),
            *("--synthetic_folder", str(folder / "synthetic")),
            *("--number_of_epochs", str(EPOCHS[masking])),
            *("--device", "cpu"),
        ]
    )
    return results


def say(line: str) -> None:
    """Print a line at once, between progress bars."""
    print(line, flush=True)
