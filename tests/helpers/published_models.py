"""Settings of published classifiers with random weights, for plumbing only."""

import re

import torch

from experiments.paper_table.miniature import write_weights
from speechbrain_lmac.models.backbones.mobilenet import Tagger
from tests.helpers import reference_models
from tests.helpers.cnn14 import published_classifier

EFFICIENTAT = ("lmac", "lmac_zs_efficientat", "evaluate_efficientat", "evaluate_lmac")
MICROSOFT = ("evaluate_microsoft", "lmac_zs_microsoft")


def settings_of(fixture, folder, stem):
    """Return settings of the YAML file ``stem`` that build its classifier.

    Arguments
    ---------
    fixture : callable
        Name of a fixture -> its value.
    folder : Path
        Folder for the weights.
    stem : str
        Name of a settings file, without its ending.

    Returns
    -------
    dict
        Settings; empty for files that need no weights.
    """
    if stem in EFFICIENTAT:
        classifier = {"weights": str(fixture("efficientat_file"))}
    elif stem == "lmac_paper":
        classifier = published_classifier(folder, "recipe", dim=8).settings
    elif stem in MICROSOFT:
        path = folder / "2022.pth"
        weights = path if path.is_file() else write_weights(path)
        classifier = {"weights": str(weights), "tokenizer": str(fixture("tokenizer"))}
    elif stem == "lmac_zs_laion":
        classifier = {"weights": str(fixture("laion_file")), "tokenizer": str(fixture("tokenizer"))}
    elif stem == "lmac_zs_transformers":
        classifier = {"source": str(reference_models.write_transformers(folder))}
    else:
        return {}
    return {"audio_classifier": classifier}


def write_efficientat(path):
    """Write random weights in the file format of EfficientAT's authors; return the path."""
    torch.manual_seed(0)
    state = Tagger().state_dict()
    for name, value in state.items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2)
        elif name.endswith("running_mean"):
            value.normal_(0, 0.3)
    state["classifier.5.bias"] -= 0.17  # few labels are probable
    published = {re.sub(r"\.fc(\d)", r".conc_se_layers.0.fc\1", key): v for key, v in state.items()}
    torch.save(published, path)
    return path
