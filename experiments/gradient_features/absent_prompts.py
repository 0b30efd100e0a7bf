"""Do explanations of absent prompts have less energy than those of present ones?

Usage: python -m experiments.gradient_features.absent_prompts DATA [--source mini-stft] [--folds 5]

Every clip is in one mixture of two clips at equal levels. A mixture is explained for its two
classes and for two classes that it does not contain. The area under the ROC curve says how well a
score separates present prompts from absent ones: the fraction of the energy in the masked-in sound,
which is faded out for absent prompts, and the presence and the similarity of the classifier.
"""

import argparse
import random
from collections import defaultdict
from collections.abc import Sequence

from tqdm import tqdm

from speechbrain_lmac import Interpreter
from speechbrain_lmac.data.contamination import TWO_SOURCE, draw_mixtures
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.prompts import TEMPLATE, label_to_words
from speechbrain_lmac.data.stems import render_stems
from speechbrain_lmac.metrics.localization import presence_auc
from speechbrain_lmac.utils.errors import report_errors

SECONDS = 5.0
ABSENT = 2
"""Number of absent classes per mixture."""


@report_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Explain all mixtures and print one line per score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder with the layout of ESC-50 or UrbanSound8K")
    parser.add_argument("--source", default="mini-stft")
    parser.add_argument("--folds", type=int, nargs="+", default=[5])
    options = parser.parse_args(arguments)
    interpreter = Interpreter.from_hparams(source=options.source, run_opts={"device": "cpu"})
    clips = [clip for clip in read_clips(options.data) if clip.fold in options.folds]
    classes = sorted({clip.label for clip in clips})
    labels = {clip.ID: clip.label for clip in clips}
    scores, present = defaultdict[str, list[float]](list), list[bool]()
    for row in tqdm(draw_mixtures(clips, TWO_SOURCE, 0.0, seed=1986)):
        sources = (labels[row.clip], row.other_label)
        others = [name for name in classes if name not in sources]
        named = [*sources, *random.Random(row.ID).sample(others, ABSENT)]
        mixture = render_stems(row, interpreter.sample_rate, SECONDS).mixture
        prompts = [TEMPLATE.format(label_to_words(name)) for name in named]
        (found,) = interpreter.interpret_batch(mixture[None], prompts)
        energy = found.waveform.square().mean(dim=-1) / mixture.square().mean()
        scores["masked-in energy"] += energy.tolist()
        scores["presence"] += found.presence.tolist()
        scores["similarity"] += found.similarity.tolist()
        present += [True] * len(sources) + [False] * ABSENT
    for name, values in scores.items():
        print(f"{name}: {presence_auc(values, present):.3f} of {len(present)} prompts")


if __name__ == "__main__":
    main()
