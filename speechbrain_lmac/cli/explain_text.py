"""Lines about explanations that ``speechbrain-lmac explain`` prints."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from speechbrain_lmac.utils.counts import counted
from speechbrain_lmac.utils.percent import percent

if TYPE_CHECKING:
    from speechbrain_lmac.models.question_words import QuestionWords

Record = dict[str, Any]
"""JSON object."""
MAX_LISTED_REGIONS = 4
"""Regions of a prompt that are printed."""


def lines(
    record: Record,
    describe: Callable[[Record, Record, "QuestionWords"], Iterator[str]],
    words: "QuestionWords",
) -> Iterator[str]:
    """Yield the lines about a file. Prompts that are not explained are listed in one line.

    Arguments
    ---------
    record : dict
        JSON object of the file.
    describe : callable
        :func:`describe_clip` or :func:`describe_recording`.
    words : QuestionWords
        Words for a prompt.
    """
    yield record["file"]
    for row in (row for row in record["prompts"] if row["explained"]):
        rather = f" rather than “{record['against']}”" if record["against"] else ""
        first, *others = describe(row, record, words)
        yield f"  “{row['prompt']}”{rather}: {first}"
        yield from (f"    {other}" for other in others)
        yield f"    {row['explanation']}"
    unexplained = [row for row in record["prompts"] if not row["explained"]]
    for absent, name in ((True, "absent"), (False, "not explained")):
        listed = [row for row in unexplained if row["absent"] == absent]
        if listed:
            texts = (f"“{row['prompt']}” ({percent(row['presence'])})" for row in listed)
            yield f"  {name}: {', '.join(texts)}"
    for warning in record["warnings"]:
        yield f"  warning: {warning}"


def describe_clip(
    row: Record, record: Record, words: "QuestionWords", areas: bool = True
) -> Iterator[str]:
    """Yield the scores of a prompt in a short sound, and on request its smallest areas, as text."""
    from speechbrain_lmac.inference.areas import PromptAreas

    name = "presence" if record["against"] is None else "probability"
    word = words.presence if record["against"] is None else name
    if row["absent"]:
        yield f"absent ({word} {percent(row[name])}), explanation faded out"
        return
    scores = [percent(row[key]) for key in (name, f"{name}_masked_in", f"{name}_masked_out")]
    yield f"{word} {{}} in the clip, {{}} masked-in, {{}} masked-out".format(*scores)
    if areas:
        yield PromptAreas(row["sufficient_area"], row["necessary_area"]).summary


def describe_recording(row: Record, *_: Any) -> Iterator[str]:
    """Yield the regions of a prompt in a long recording as text."""
    count = len(row["regions"])
    if not count:
        yield "absent" if row["absent"] else "no region"
        return
    listed = row["regions"][:MAX_LISTED_REGIONS]
    spans = ", ".join(f"{region['start']:.1f}-{region['stop']:.1f} s" for region in listed)
    more = ", ..." if count > len(listed) else ""
    yield f"{counted(count, 'region')}: {spans}{more}"
