"""Read a downloaded hyperparameter file without running what it says."""

import yaml

from speechbrain_lmac.errors import InputError

CLASSES = (
    "clap.embedded.EmbeddedClap",
    "clap.tagger.TaggerClap",
    "clap.laion.LaionClap",
    "clap.microsoft.MicrosoftClap",
    "clap.huggingface.TransformersClap",
    "planes.StftPlane",
    "planes.MelPlane",
    "masking.MaskableClassifier",
    "decoder.MaskDecoder",
    "listenable_map.ListenableMap",
)
"""What an interpreter is built of, and all that its file may build."""

TAGS = {"!ref", *(f"!new:speechbrain_lmac.{name}" for name in CLASSES)}
CORE = {
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null")
}


def check_tags(text, name):
    """Refuse HyperPyYAML that would build or call anything but an interpreter's parts.

    Arguments
    ---------
    text : str
        The file's contents; parsed to nodes, nothing is constructed.
    name : str
        What to call the file in an error.

    Raises
    ------
    InputError
        Naming the tag and its line.

    Example
    -------
    >>> check_tags("wipe: !apply:os.system ['rm -rf .']", "hyperparams.yaml")
    Traceback (most recent call last):
    ...
    speechbrain_lmac.errors.InputError: hyperparams.yaml, line 1: !apply:os.system is refused...
    """
    try:
        events = list(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise InputError(f"{name} is no YAML: {error}") from error
    for event in events:
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in TAGS | CORE:
            line = event.start_mark.line + 1
            raise InputError(
                f"{name}, line {line}: {tag} is refused; an interpreter's file may only build "
                f"{', '.join(CLASSES)}"
            )
