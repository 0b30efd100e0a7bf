"""Files of class names."""

import pytest
from speechbrain.dataio.encoder import CategoricalEncoder

from speechbrain_lmac.data.labels import ESC50_CLASSES
from speechbrain_lmac.models.classifiers.label_files import (
    ESC50_IN_RECIPE_ORDER,
    read_class_names,
)
from speechbrain_lmac.utils.errors import InputError


def test_recipe_order_has_all_classes():
    """The recipe numbers the same 50 classes otherwise than ESC-50."""
    assert sorted(ESC50_IN_RECIPE_ORDER) == sorted(ESC50_CLASSES)
    assert ESC50_IN_RECIPE_ORDER[:3] == ("dog", "chirping_birds", "vacuum_cleaner")
    assert ESC50_IN_RECIPE_ORDER[-1] == "crickets"


def test_label_encoder_of_speechbrain_is_read(tmp_path):
    """Names are sorted by index and may have quotes."""
    encoder = CategoricalEncoder()
    names = ("b", "it's => 3", "a c")
    encoder.update_from_iterable(names)
    encoder.save(tmp_path / "label_encoder.txt")
    assert read_class_names(tmp_path / "label_encoder.txt") == names
    turned = tmp_path / "turned.txt"
    turned.write_text("'b' => 1\n'a' => 0\n=====\n")
    assert read_class_names(turned) == ("a", "b")


def test_plain_names_are_read(tmp_path):
    """A file without indices has one name a line."""
    path = tmp_path / "labels.txt"
    path.write_text("Dog\n\nChurch bells\n", encoding="utf-8")
    assert read_class_names(path) == ("Dog", "Church bells")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"'a' => 0\n'b' => 2\n", "must end its names with a line of =====: it is cut off"),
        (b"'a' => 0\n'b' => 2\n======\n", "must number its 2 names from 0 to 1"),
        (b"'a' => 0\n'b' => 0\n======\n", "must number its 2 names from 0 to 1"),
        (b"'a' => 0\nopen('x') => 1\n======\n", "a line must be .name. => index, got .open"),
        (b"'a' => 0\n'b' => one\n======\n", "a line must be"),
        (b"7 => 0\n'b' => 1\n======\n", "a class name must be a printable text, got 7"),
        (b"\xff\xfe", "must be a text file"),
        (b"a\n", "at least two names"),
    ],
)
def test_invalid_label_file_is_named(tmp_path, content, message):
    """Nothing in a file is run; each error says what is wrong."""
    path = tmp_path / "label_encoder.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_class_names(path)
