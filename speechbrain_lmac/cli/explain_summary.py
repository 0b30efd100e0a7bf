"""Short texts of ``speechbrain-lmac explain`` about many files: a line per file, a summary."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from speechbrain_lmac.cli.explain_text import Record
from speechbrain_lmac.utils.counts import counted
from speechbrain_lmac.utils.percent import percent

MAX_LISTED_PROMPTS = 20
"""Prompts that a summary lists."""


def short_line(record: Record) -> str:
    """Return one line about a file: the present prompts and the number of the others.

    Arguments
    ---------
    record : dict
        JSON object of the file.

    Example
    -------
    >>> row = {"prompt": "rain", "presence": 0.98, "absent": False, "explained": True}
    >>> short_line({"file": "a.wav", "against": None, "skipped": False, "prompts": [row]})
    'a.wav: “rain” 98 %'
    """
    field = "presence" if record["against"] is None else "probability"
    rows = record["prompts"]
    present = [row for row in rows if row["explained"] and not row["absent"]]
    named = ", ".join(f"“{row['prompt']}” {percent(row[field])}" for row in present)
    num_absent = sum(row["absent"] for row in rows)
    counts = {"absent": num_absent, "not explained": len(rows) - len(present) - num_absent}
    others = [f"{count} {name}" for name, count in counts.items() if count]
    text = "; ".join([*([named] if named else []), *others])
    return f"{record['file']}: {'skipped, explained before: ' * record['skipped']}{text}"


class Summary:
    """Counts of files and of prompts that are present, or preferred to the text of ``--against``.

    Arguments
    ---------
    num_files : int
        Number of files.
    root : Path
        Output folder with the tables of all files.
    """

    def __init__(self, num_files: int, root: Path):
        self.num_files, self.root = num_files, root
        self.explained = self.skipped = 0
        self.files_with: Counter[str] = Counter()
        self.against: str | None = None

    def add(self, record: Record) -> None:
        """Count the record of a file that has not failed."""
        self.skipped += record["skipped"]
        self.explained += not record["skipped"]
        self.against = record["against"]
        for row in record["prompts"]:
            is_preferred = self.against is None or row["probability"] > 0.5
            self.files_with[row["prompt"]] += is_preferred and not row["absent"]

    def lines(self) -> Iterator[str]:
        """Yield the lines of the summary. Prompts are listed by the number of their files."""
        from speechbrain_lmac.inference.outputs import ALL_SCORES, AREAS, REGIONS, SELECTIONS

        failed = self.num_files - self.explained - self.skipped
        counts = {"explained": self.explained, "skipped": self.skipped, "failed": failed}
        texts = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        yield f"{self.num_files} files: {texts}"
        found = "present" if self.against is None else f"preferred to “{self.against}”"
        for prompt, count in self.files_with.most_common(MAX_LISTED_PROMPTS):
            yield f"  “{prompt}”: {found} in {counted(count, 'file')}"
        if len(self.files_with) > MAX_LISTED_PROMPTS:
            more = len(self.files_with) - MAX_LISTED_PROMPTS
            yield f"  and {counted(more, 'more prompt')}"
        names = (ALL_SCORES, REGIONS, SELECTIONS, AREAS)
        tables = [name for name in names if (self.root / name).exists()]
        if tables:
            yield f"tables in {self.root}: {', '.join(tables)}"
