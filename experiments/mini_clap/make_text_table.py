"""Write the table of sentence embeddings in the package, which serves prompts without MiniLM.

Usage: python -m experiments.mini_clap.make_text_table
"""

import json

from safetensors.torch import save_file

from speechbrain_lmac.data.labels import ESC50_CLASSES, URBANSOUND8K_CLASSES, audioset_labels
from speechbrain_lmac.data.prompts import (
    TEMPLATES,
    class_prompt,
    label_to_words,
    paraphrases,
    to_paper_template,
)
from speechbrain_lmac.models.text.minilm import TABLE, MiniLM

FREE_TEXT_PROMPTS = (
    *("a dog barking", "rain falling on a roof", "a siren wailing", "birds singing", "silence"),
    *("church bells ringing", "someone walking", "an alarm clock", "an engine running"),
    *("a puppy woofs loudly", "a baby crying", "waves on a beach", "a car horn honking"),
)


def table_prompts():
    """Return the distinct prompts: class names, AudioSet labels, paraphrases and free text."""
    names = dict.fromkeys([*ESC50_CLASSES, *URBANSOUND8K_CLASSES])
    classes = [class_prompt(name, template) for template in TEMPLATES for name in names]
    labeled = [class_prompt(label) for label in audioset_labels()]
    paraphrased = [prompt for prompts in paraphrases().values() for prompt in prompts]
    free_text = [*paraphrased, *FREE_TEXT_PROMPTS]
    # MiniCLAP encodes prompts in the template of the paper
    templated = [to_paper_template(prompt) for prompt in free_text]
    underscored = [name for name in names if name != label_to_words(name)]
    return list(dict.fromkeys([*classes, *underscored, *labeled, *free_text, *templated]))


if __name__ == "__main__":
    prompts = table_prompts()
    embeddings = MiniLM().compute(prompts)
    save_file({"embeddings": embeddings}, TABLE, metadata={"prompts": json.dumps(prompts)})
    print(f"{len(prompts)} prompts, {TABLE.stat().st_size / 1e3:.0f} kB -> {TABLE}")
