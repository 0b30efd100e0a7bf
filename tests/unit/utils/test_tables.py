"""Reading and writing CSV tables."""

import pytest

from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.tables import read_csv, write_csv


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table.csv"


def test_read_csv_reads_what_write_csv_wrote(path):
    """Quotes, commas and line breaks in values are preserved."""
    rows = [["name", "text"], ["a", 'rain, "heavy"'], ["b", "two\nlines"]]
    write_csv(path, rows)
    read = read_csv(path, ["name", "text"])
    assert [list(row.values()) for row in read] == rows[1:]


def test_read_csv_accepts_byte_order_mark(path):
    """Spreadsheet programs begin a UTF-8 file with one."""
    path.write_text("name\na\n", encoding="utf-8-sig")
    assert read_csv(path, ["name"]) == [{"name": "a"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name\na\n", "has no column fold"),
        (b"", "has no column name, fold"),
        (b"name,fold\na,1\nb\n", "line 3 must have one cell per column"),
        (b"name,fold\na,1,2\n", "line 2 must have one cell per column"),
        (b'name,fold\n"a\nb",1\nc,one\n', "line 4: invalid literal for int"),
        (b"name,fold\n\xe9,1\n", "cannot be read as CSV"),
    ],
)
def test_read_csv_names_line_or_column(path, content, message):
    """A malformed table is one sentence with the place."""
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_csv(path, ["name", "fold"], lambda row: int(row["fold"]))
    assert str(path) in str(error.value)


def test_read_csv_missing_file_is_input_error(path):
    """The error names the file."""
    with pytest.raises(InputError, match=r"table\.csv cannot be read as CSV"):
        read_csv(path, ["name"])


def test_read_csv_keeps_error_of_parser(path):
    """A parser that raises InputError chooses the whole message."""
    path.write_text("name\na\n")

    def refuse(row):
        raise InputError("a message")

    with pytest.raises(InputError, match=r"^a message$"):
        read_csv(path, ["name"], refuse)
