"""Arguments of SpeechBrain's ``from_hparams``: taken with their meaning, or refused."""

import inspect

import pytest
from speechbrain.inference.interfaces import Pretrained, pretrained_from_hparams
from speechbrain.utils.fetching import FetchConfig, LocalStrategy

from speechbrain_lmac import Interpreter
from speechbrain_lmac.inference.speechbrain_options import read_options
from speechbrain_lmac.utils.errors import InputError
from tests.unit.inference.conftest import CPU

NO_ARGUMENTS = {"self", "cls", "source", "kwargs", "modules", "hparams"}
"""Parameters of SpeechBrain's functions that its users do not give by name."""


def test_every_default_of_speechbrain_is_taken(exported):
    """All arguments of the installed SpeechBrain are known, with their default values."""
    parameters = {}
    for function in (pretrained_from_hparams, Pretrained.__init__):
        parameters |= inspect.signature(function).parameters
    options = {name: p.default for name, p in parameters.items() if name not in NO_ARGUMENTS}
    assert {"savedir", "overrides", "fetch_config", "freeze_params"} <= options.keys()
    loaded = Interpreter.from_hparams(source=exported, **{**options, "run_opts": CPU})
    assert loaded.sample_rate == 32000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overrides_must_match": False}, "overrides_must_match must be True, got False. Leave"),
        ({"pymodule_file": "custom.py"}, "pymodule_file must be None, got 'custom.py'. Leave it"),
        ({"huggingface_cache_dir": "x"}, "huggingface_cache_dir must be None, got 'x'. Set the"),
        ({"local_strategy": LocalStrategy.SYMLINK, "savedir": "x"}, "COPY_SKIP_CACHE with savedir"),
        ({"fetch_config": FetchConfig(overwrite=True)}, "overwrite of fetch_config must be False"),
        ({"fetch_config": FetchConfig(allow_network=False)}, "variable HF_HUB_OFFLINE=1"),
        ({"fetch_config": FetchConfig(allow_updates=True)}, "Give the revision that you need"),
        ({"fetch_config": FetchConfig(revision="a"), "revision": "b"}, "Give one of them"),
        ({"hparams_file": "other.yaml"}, "hparams_file must be hyperparams.yaml"),
        ({"fetch_from": "hub"}, "arguments of SpeechBrain must be run_opts.* got fetch_from"),
    ],
)
def test_other_values_of_speechbrain_are_refused(exported, options, message):
    """The error names the argument, and what to do instead."""
    with pytest.raises(InputError, match=message):
        Interpreter.from_hparams(source=exported, run_opts=CPU, **options)


def test_fetch_config_pins_the_revision():
    """Its revision is that of the download; its token is the user's stored one in any case."""
    given = {"fetch_config": FetchConfig(revision="v1", token=True), "use_auth_token": True}
    assert read_options(given, None, None).revision == "v1"
    assert read_options(given, "v1", None).revision == "v1"
    assert read_options({"local_strategy": LocalStrategy.COPY}, "v2", "x").revision == "v2"


def test_download_only_checks_and_builds_nothing(exported):
    """As in SpeechBrain, the result is None; damaged files are an error."""
    assert Interpreter.from_hparams(source=exported, download_only=True) is None
    weights = exported / "decoder.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        Interpreter.from_hparams(source=exported, download_only=True)
