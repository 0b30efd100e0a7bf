"""Small synthetic inputs that run all steps of the reproduction within minutes.

The inputs are random weights in the layout of Microsoft's CLAP, a data set in the layout of ESC-50
and captions in the layouts of Clotho and MACS. Results on them are meaningless.
"""

import csv
from pathlib import Path

import soundfile
import torch
import yaml
from torchaudio.functional import melscale_fbanks
from transformers import BertConfig, BertModel

from experiments.small_htsat.small_htsat import train_tokenizer
from speechbrain_lmac.data.labels import audioset_labels
from speechbrain_lmac.data.prompts import TEMPLATES, class_prompt
from speechbrain_lmac.data.synthetic import KINDS, SAMPLE_RATE, synthesize
from speechbrain_lmac.data.synthetic_dataset import write_dataset
from speechbrain_lmac.models.backbones.cnn14 import Cnn14
from speechbrain_lmac.models.clap.microsoft import Projection

VOCABULARY = 1500
"""Number of tokens of the text encoder and its tokenizer."""
CLIPS_PER_FOLD = 4
"""Number of clips of each of ten kinds, all in one fold: 40 clips."""


def write_inputs(folder):
    """Write weights, tokenizer, data set and captions.

    Arguments
    ---------
    folder : str or Path
        Output folder. Existing files are reused.

    Returns
    -------
    dict
        Name of each option of ``reproduce`` -> its value.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights, tokenizer = folder / "random_microsoft.pth", folder / "tokenizer"
    if not weights.is_file():  # written last: an existing file is complete
        sentences = [
            class_prompt(label, template) for label in audioset_labels() for template in TEMPLATES
        ]
        train_tokenizer(sentences, VOCABULARY).save_pretrained(tokenizer)
        write_clotho(folder / "clotho")
        write_macs(folder / "macs")
        write_weights(weights.with_suffix(".partial")).rename(weights)
    esc50 = write_dataset(folder / "esc50", CLIPS_PER_FOLD, folds=1, seconds=2.0)
    return {
        "clap": str(weights),
        "tokenizer": str(tokenizer),
        "esc50": str(esc50),
        "clotho": str(folder / "clotho"),
        "macs": str(folder / "macs"),
    }


def small_bert():
    """Build a BERT with two layers."""
    return BertModel(BertConfig(vocab_size=VOCABULARY, num_hidden_layers=2, intermediate_size=512))


def write_weights(path):
    """Write random weights in the layout of ``CLAP_weights_2022.pth``."""
    torch.manual_seed(2)
    parts = {
        "audio_encoder.base": Cnn14(),
        "audio_encoder.projection": Projection(2048, 1024),
        "caption_encoder.base": small_bert(),
        "caption_encoder.projection": Projection(768, 1024),
    }
    state = {
        f"{prefix}.{name}": value
        for prefix, module in parts.items()
        for name, value in module.state_dict().items()
    }
    state["audio_encoder.base.logmel_extractor.melW"] = melscale_fbanks(
        513, 50.0, 14000.0, 64, 44100, "slaney", "slaney"
    )
    state["logit_scale"] = torch.tensor(2.66)
    torch.save({"model": state}, path)
    return path


def write_clotho(folder):
    """Write three training and two validation sounds, with one caption each."""
    splits = {"development": 3, "validation": 2}
    for split_index, (split, count) in enumerate(splits.items()):
        (folder / split).mkdir(parents=True, exist_ok=True)
        rows = []
        for number, kind in enumerate(list(KINDS)[:count]):
            name = f"{kind}_{number}.wav"
            wave = synthesize(kind, (split_index, number), 2.0)
            soundfile.write(folder / split / name, wave.numpy(), SAMPLE_RATE)
            rows.append((name, f"{class_prompt(kind)} nearby"))
        with open(folder / f"clotho_captions_{split}.csv", "w", newline="") as file:
            csv.writer(file).writerows([("file_name", "caption_1"), *rows])
        with open(folder / f"clotho_metadata_{split}.csv", "w", newline="") as file:
            ids = [(row[0], 8_000_000 + 100 * split_index + i, "CC0") for i, row in enumerate(rows)]
            csv.writer(file).writerows([("file_name", "sound_id", "license"), *ids])


def write_macs(folder):
    """Write three sounds of other kinds, with one caption each."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    files = []
    for number, kind in enumerate(list(KINDS)[3:6]):
        name = f"{kind}_{number}.wav"
        wave = synthesize(kind, (9, number), 2.0)
        soundfile.write(folder / "audio" / name, wave.numpy(), SAMPLE_RATE)
        sentence = f"there is {class_prompt(kind, '{}')} outside"
        files.append({"filename": name, "annotations": [{"sentence": sentence}]})
    (folder / "MACS.yaml").write_text(yaml.safe_dump({"files": files}))
