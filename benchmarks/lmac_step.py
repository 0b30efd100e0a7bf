"""Compare a training step of L-MAC with that of SpeechBrain's own recipe, side by side.

Usage: python benchmarks/lmac_step.py SPEECHBRAIN [--batch 2] [--rounds 3] [--data_folder ESC50]

SPEECHBRAIN is a clone of https://github.com/speechbrain/speechbrain, whose recipe
``recipes/ESC50/interpret/train_lmac.py`` is run. All systems have one CNN14 with random weights, in
the layout of ``fpaissan/r``, and one batch of clips of 5 s. They are

- ``recipe``: ``fit_batch`` of the recipe's ``LMAC`` with its settings ``lmac_cnn14.yaml``;
- ``published decoder``: ``lmac_paper.yaml`` here. Its loss must equal that of the recipe;
- ``our decoder``: the same classifier, clips, loss and masking domain with the ``MaskDecoder``.

Each system runs in a process of its own, on one thread. The script prints the loss of the first
step, the median CPU seconds of the other steps, and the peak memory of the process. Run it on an
idle machine.

The recipe runs with these changes: local weights in place of downloads, no noise, and stand-ins for
``quantus`` and ``torchvision`` if they are not installed, which a training step does not call. Its
first checkpoint fails on SpeechBrain 1.1.2, because tensors in the metadata cannot be read back; a
step does not save one. The steps here are without the moving average of the weights.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import torch
import yaml

RATE, SECONDS, SEED = 16000, 5, 0
STAND_INS = ("quantus", "torchvision")
SYSTEMS = ("recipe", "published decoder", "our decoder")
LINE = "{system:18s} loss {loss:9.5f}   {seconds:6.2f} CPU seconds a step   {peak:5.2f} GiB"


def write_inputs(folder: Path, data_folder: str | None, batch: int) -> None:
    """Write the weights of a random classifier, and clips whose largest sample is 1."""
    from speechbrain.lobes.models.Cnn14 import Cnn14

    torch.manual_seed(SEED)
    torch.save(Cnn14(80, 2048, return_reps=True).state_dict(), folder / "embedding_model.ckpt")
    torch.save(torch.nn.Linear(2048, 50).state_dict(), folder / "classifier.ckpt")
    wavs = torch.stack(read_clips(data_folder, batch))
    torch.save(wavs / wavs.amax(dim=1, keepdim=True), folder / "clips.pt")


def read_clips(data_folder: str | None, batch: int) -> list[torch.Tensor]:
    """Return clips of a data set, or synthetic ones."""
    from speechbrain_lmac.audio.io import load_clip, resample
    from speechbrain_lmac.data.datasets import read_clips as read_dataset
    from speechbrain_lmac.data.synthetic import synthesize

    if data_folder is not None:
        paths = [clip.wav for clip in read_dataset(data_folder)[:batch]]
        return [load_clip(path, RATE, SECONDS) for path in paths]
    kinds = [("siren", "rain")[index % 2] for index in range(batch)]
    sounds = [synthesize(kind, seed=i, seconds=SECONDS) for i, kind in enumerate(kinds)]
    return [resample(sound, 32000, RATE) for sound in sounds]


def reset(decoder: torch.nn.Module) -> None:
    """Draw the weights of a published decoder, alike in both implementations."""
    torch.manual_seed(SEED)
    for index in range(1, 10):
        getattr(decoder, f"convt{index}").reset_parameters()


def recipe_step(folder: Path, checkout: Path) -> Callable[[], float]:
    """Return a step of SpeechBrain's recipe that returns its loss."""
    import speechbrain as sb
    from hyperpyyaml import load_hyperpyyaml
    from speechbrain.dataio.batch import PaddedBatch

    recipe = checkout / "recipes" / "ESC50" / "interpret"
    sys.path[:0] = [str(recipe), str(recipe.parent)]
    for name in STAND_INS:
        try:
            __import__(name)
        except ImportError:
            sys.modules[name] = mock.MagicMock()
    from train_lmac import LMAC

    overrides = {"data_folder": str(folder), "output_folder": str(folder / "results")}
    text = (recipe / "hparams" / "lmac_cnn14.yaml").read_text(encoding="utf-8")
    hparams = load_hyperpyyaml(text, overrides)
    for part in ("embedding_model", "classifier"):
        hparams[part].load_state_dict(torch.load(folder / f"{part}.ckpt"))
        hparams[part].eval().requires_grad_(False)
    reset(hparams["psi_model"])
    brain = LMAC(hparams["modules"], hparams["opt_class"], hparams, {"device": "cpu"})
    brain.on_fit_start()
    brain.on_stage_start(sb.Stage.TRAIN, 1)
    brain.modules.train()
    labels = torch.zeros(1, dtype=torch.long)
    items = [
        {"id": str(i), "sig": wav, "class_string_encoded": labels}
        for i, wav in enumerate(torch.load(folder / "clips.pt"))
    ]
    return lambda: brain.fit_batch(PaddedBatch(items)).item()


def own_step(folder: Path, decoder: str) -> Callable[[], float]:
    """Return a step of this package that returns its loss."""
    from speechbrain_lmac.losses.pairs import PromptPairs
    from speechbrain_lmac.masking.decoder import MaskDecoder
    from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
    from speechbrain_lmac.utils.config import hparams_path, load_hparams
    from speechbrain_lmac.utils.device import keep_freed_memory

    keep_freed_memory()
    wavs = torch.load(folder / "clips.pt")
    paths = {"weights": "embedding_model", "head": "classifier"}
    classifier = {name: str(folder / f"{file}.ckpt") for name, file in paths.items()}
    text = hparams_path("lmac_paper.yaml").read_text(encoding="utf-8")
    if decoder == "our decoder":
        published, ours = "masking.psi_decoder.PsiDecoder", "masking.decoder.MaskDecoder"
        text = text.replace(f"{published} #", f"{ours}\n    channels: [48, 32, 32, 24] #")
    (folder / "settings.yaml").write_text(text, encoding="utf-8")
    overrides = {"audio_classifier": classifier, "batch_size": len(wavs)}
    hparams = load_hparams(folder / "settings.yaml", yaml.safe_dump(overrides))
    network: InterpreterNetwork = hparams["model"]
    assert isinstance(network.decoder, MaskDecoder) == (decoder == "our decoder")
    if decoder == "published decoder":
        reset(network.decoder)
    optimizer = hparams["opt_class"](network.decoder.parameters())
    masked = network.classifier
    queries = masked.audio_classifier.head_queries

    def step() -> float:
        encoded = masked.encode_clips(wavs)
        target = masked.logits(encoded.encoding.vector, queries).argmax(dim=1)
        pairs = PromptPairs(
            encoded.encoding.vector, queries[target][None], target[None], masked.competing(queries)
        )
        masks = network(encoded, pairs.queries)
        evaluate = partial(masked.masked_objective, encoded, chunk_size=hparams["chunk_size"])
        loss, _ = hparams["objective"](pairs, masks, masks, evaluate)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.decoder.parameters(), hparams["max_grad_norm"])
        optimizer.step()
        return loss.item()

    return step


def measure(system: str, folder: Path, checkout: Path, rounds: int) -> dict[str, float]:
    """Return the loss of the first step, CPU seconds of the others and the peak memory in GiB."""
    torch.set_num_threads(1)
    step = recipe_step(folder, checkout) if system == "recipe" else own_step(folder, system)
    loss, times = step(), []
    for _ in range(rounds):
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"loss": loss, "seconds": statistics.median(times), "peak": peak}


def compare(options: argparse.Namespace) -> None:
    """Measure all systems, each in its own process, and print the ratios."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    results = {}
    with tempfile.TemporaryDirectory() as name:
        write_inputs(Path(name), options.data_folder, options.batch)
        for system in SYSTEMS:
            command = [sys.executable, __file__, str(options.speechbrain), "--system", system]
            command += ["--folder", name, "--rounds", str(options.rounds)]
            process = subprocess.run(command, env=environment, capture_output=True, text=True)
            if process.returncode:
                sys.exit(f"{system} failed:\n{process.stderr[-3000:]}")
            results[system] = json.loads(process.stdout.splitlines()[-1])
            print(LINE.format(system=system, **results[system]), flush=True)
    recipe, same, own = (results[system] for system in SYSTEMS)
    print(
        f"loss of the published decoder / recipe - 1: {same['loss'] / recipe['loss'] - 1:.1e}\n"
        f"our decoder: {recipe['seconds'] / own['seconds']:.1f} times faster a step, "
        f"{own['peak'] / recipe['peak']:.2f} of the memory of the recipe"
    )


def main() -> None:
    """Compare all systems, or measure one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("speechbrain", type=Path, help="clone of SpeechBrain's repository")
    parser.add_argument("--batch", type=int, default=2, help="clips per batch (default: 2)")
    parser.add_argument("--rounds", type=int, default=3, help="timed steps (default: 3)")
    parser.add_argument("--data_folder", help="data set of clips (default: synthetic clips)")
    parser.add_argument("--system", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.system is None:
        compare(options)
        return
    result = measure(options.system, options.folder, options.speechbrain, options.rounds)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
