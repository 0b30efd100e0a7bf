"""Tables of the benchmark on results with a known order of the methods."""

import re

import numpy as np
import pandas as pd
import pytest

from speechbrain_lmac.evaluation.benchmark.comparison import assess
from speechbrain_lmac.evaluation.benchmark.scores import HEADLINE, LOCALIZATION
from speechbrain_lmac.evaluation.benchmark.tables import (
    TABLES,
    Table,
    make_table,
    summary_tables,
    verdict_sentence,
    write_summary,
)
from speechbrain_lmac.utils.errors import InputError

FRACTIONS = (0.05, 0.1, 0.2, 0.4)
LEVELS = {
    **{"gradcam++": 60, "lmac": 40, "saliency": 40, "scorecam": 30, "energy": 20},
    **{"oracle-irm": 10},
}
"""AD of each method, which the tables must reproduce."""


def make_results(domains=("mel",), conditions=("clean", "two_source"), clips=60):
    """Return results with a known order: lmac is better than gradcam++, ties with saliency and is
    worse than energy; scorecam has the subset only.
    """
    rows = []
    for domain in domains:
        for condition in conditions:
            generator = np.random.default_rng(0)
            common = generator.normal(0, 5, clips)
            for method, level in LEVELS.items():
                for i in range(20 if method == "scorecam" else clips):
                    ad = level + common[i] + generator.normal(0, 1)
                    facts = (domain, condition, method, f"c{i}", f"r{i}")
                    rows += [(*facts, *score) for score in scores_of(ad, level, i, condition)]
    names = ["domain", "condition", "method", "clip", "recording", "metric", "fraction", "value"]
    frame = pd.DataFrame(rows, columns=names).assign(snr_db=np.nan)
    return frame.astype({"fraction": float})


def scores_of(ad, level, i, condition):
    for fraction in (None, *FRACTIONS):
        yield from (("AD", fraction, ad), ("FF", fraction, 1 - ad / 100))
        yield ("Fid-In", fraction, float(i % 2))
        if condition == "two_source":
            yield ("SI-SDRi", fraction, 10 - level / 10)
    yield from (("AD_double_softmax", None, ad / 4), ("SPS", None, 0.5), ("MM", None, 0.3))
    yield from (("silent", None, float(i == 0)), ("failed", None, 0.0))
    if condition == "two_source":
        yield ("pointing_game", None, 1.0)
    if i < 20:
        yield ("deletion_silence", None, ad / 100)
    yield from (("passes", None, level / 10), ("seconds", None, level / 1000))


@pytest.fixture(scope="module")
def summary():
    return assess(make_results(), "lmac", resamples=2000)


def part(summary, condition):
    return summary[summary.condition == condition]


def headline(summary, condition="clean"):
    return make_table(part(summary, condition), "title", HEADLINE, "lmac")


def cells(table):
    """Return heading -> method -> text of the cell."""
    return table.cells.set_index("method").to_dict()


def test_marks_show_the_verdicts(summary):
    """The mark of a row is the verdict on the reference."""
    marks = {m: text[-1] for m, text in cells(headline(summary))["AD ↓"].items()}
    assert marks.pop("lmac") not in "▲=▼"
    assert marks == {
        **{"gradcam++": "▲", "saliency": "=", "scorecam": "▼", "energy": "▼", "oracle-irm": "▼"}
    }


def test_reference_comes_first(summary):
    """Other methods keep their order."""
    others = [method for method in LEVELS if method != "lmac"]
    assert list(headline(summary).cells["method"]) == ["lmac", *others]


def test_best_explainer_is_bold(summary):
    """Controls, the oracle and methods on a subset are never bold."""
    table = headline(summary)
    bold = set(table.cells["method"][table.bold["AD ↓"]])
    assert len(bold) == 1 and bold < {"lmac", "saliency"}


def test_cell_has_mean_and_interval(summary):
    """A normal interval of 60 independent clips."""
    frame = make_results()
    rows = frame[(frame.condition == "clean") & (frame.method == "gradcam++")]
    values = rows[(rows.metric == "AD") & (rows.fraction == 0.05)].value
    text = cells(headline(summary))["AD ↓"]["gradcam++"]
    mean, low, high = map(float, re.fullmatch(r"(\S+) \[(\S+), (\S+)\] ▲", text).groups())
    assert mean == pytest.approx(values.mean(), abs=0.05)
    half = 1.96 * values.std() / np.sqrt(60)
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.6)


def test_subset_methods_show_their_clips(summary):
    """Methods on fewer clips are compared on the shared clips."""
    clips = cells(headline(summary))["clips"]
    assert (clips["scorecam"], clips["energy"]) == ("20", "60")
    rows = part(summary, "clean").set_index(["method", "metric", "fraction"])
    row = rows.loc[("scorecam", "AD", "mean")]
    assert row.shared == 20 and row.difference == pytest.approx(10, abs=1)


def test_verdict_sentences_fit_a_line(summary):
    """One sentence for each compared score, in the notes of the table."""
    rows = part(summary, "clean")
    sentence = verdict_sentence(rows, ("AD", "mean"), "lmac")
    assert sentence == (
        "AD: lmac better than gradcam++; ties with saliency; "
        "worse than scorecam, energy, oracle-irm."
    )
    assert sentence in headline(summary).notes
    expected = "Fid-In: lmac ties with all others."
    assert verdict_sentence(rows, ("Fid-In", "mean"), "lmac") == expected
    assert verdict_sentence(rows, ("AI", "mean"), "lmac") == ""


def test_soft_masks_have_no_verdict(summary):
    """Soft masks are not compared."""
    title = list(TABLES)[-1]
    table = make_table(part(summary, "clean"), title, TABLES[title], "lmac")
    assert not table.notes and not table.bold.drop(columns="method").any(axis=None)
    assert not table.cells.map(lambda text: text[-1] in "▲=▼").any(axis=None)
    assert {"AD double softmax ↓", "MM", "silent", "failed"} < set(table.cells)
    assert cells(table)["silent"]["energy"] == "0.017"


def test_fraction_of_oracle(summary):
    """SI-SDRi relative to that of the oracle mask."""
    scores = TABLES["Localization of known sources"]
    table = make_table(part(summary, "two_source"), "title", scores, "lmac")
    fractions = cells(table)["fraction of oracle"]
    assert fractions == {name: f"{(10 - level / 10) / 9:.2f}" for name, level in LEVELS.items()}


def test_silencing_explainer_is_not_best():
    """An explainer that silences 6.7 % of the clips is neither bold nor better."""
    frame = make_results(conditions=("two_source",))
    rows = (frame.method == "saliency") & (frame.metric == "SI-SDRi") & frame.fraction.isna()
    frame.loc[rows, "value"] = 9.5
    frame.loc[rows & frame["clip"].isin(["c1", "c2", "c3", "c4"]), "value"] = -np.inf
    table = make_table(assess(frame, "lmac", 200), "title", LOCALIZATION, "lmac")
    heading = next(name for name in table.cells if name.startswith("SI-SDRi") and "soft" in name)
    column, bold = cells(table)[heading], dict(zip(table.cells["method"], table.bold[heading]))
    assert column["saliency"].startswith("9.50") and column["saliency"].endswith("=")
    assert bold["lmac"] and not bold["saliency"]
    assert {cells(table)["clips"][name] for name in ("lmac", "gradcam++")} == {"56"}


def test_tables_without_scores_are_omitted(summary):
    """Clean clips have no localization."""
    made = {heading: [t.title for t in tables] for heading, tables in summary_tables(summary, "x")}
    assert list(made) == ["mel, clean", "mel, two_source"]
    assert not any("sources" in title for title in made["mel, clean"])
    assert any("sources" in title for title in made["mel, two_source"])


def test_domain_without_reference_has_no_marks():
    """Verdicts need the reference."""
    frame = make_results(domains=("mel", "stft"), conditions=("clean",))
    frame = frame[(frame.domain == "mel") | (frame.method != "lmac")]
    summary = assess(frame, "lmac", resamples=100)
    table = make_table(summary[summary.domain == "stft"], "title", HEADLINE, "lmac")
    assert not table.notes
    assert not table.cells.map(lambda text: text[-1] in "▲=▼").any(axis=None)


@pytest.fixture
def plain():
    table = pd.DataFrame({"method": ["a_b|c", "x"], "AD ↓": ["-1.0 [-2, 0] ▲", "0.0 ="]})
    bold = pd.DataFrame({"method": [False, False], "AD ↓": [True, False]})
    return Table("A 5 % table", table, bold, ("p & q",))


def test_markdown_has_bold_cells_and_notes(plain):
    """Numbers keep their format."""
    text = plain.to_markdown()
    assert "**-1.0 [-2, 0] ▲**" in text and "- p & q" in text and "| 0.0 =" in text


def test_latex_is_escaped(plain):
    """The result is ASCII, and braces match."""
    text = plain.to_latex()
    assert r"a\_b|c & \textbf{-1.0 [-2, 0] $\bigtriangleup$} \\" in text
    assert r"5 \% table" in text and r"AD $\downarrow$" in text
    assert text.isascii() and text.count("{") == text.count("}")


def test_summary_has_three_files(tmp_path):
    """Markdown, LaTeX and CSV hold the same results."""
    frame = make_results(domains=("mel", "stft")).sample(frac=1, random_state=0)
    folder = tmp_path / "new"
    about = ("Fold 5, 100 % made up", "lmac", "Training data: 0 % recorded.")
    report = write_summary(folder, frame, [], *about)
    endings = sorted(path.name for path in folder.iterdir())
    assert endings == ["summary.csv", "summary.md", "summary.tex"]
    text = (folder / "summary.md").read_text(encoding="utf-8")
    assert text.startswith("# Fold 5, 100 % made up\n\nTraining data: 0 % recorded.\n\n▲")
    assert text.count("Holm-corrected") == 1
    assert text.count("| gradcam++ ") == 2 * (2 + 3)
    latex = (folder / "summary.tex").read_text(encoding="utf-8")
    assert latex.isascii() and r"stft, two\_source" in latex and r"0 \% recorded" in latex
    written = pd.read_csv(folder / "summary.csv")
    pd.testing.assert_frame_equal(written, report.summary, check_dtype=False)
    line = written.query(
        "domain == 'stft' and condition == 'clean' and method == 'energy' and metric == 'AD' "
        "and fraction == 'mean'"
    )
    assert line.verdict.tolist() == ["worse"] and line.difference.item() > 15


def test_summary_falls_back_to_an_explainer(tmp_path):
    """Without the reference, the first method that is no control is the reference."""
    frame = make_results(conditions=("clean",))
    assert write_summary(tmp_path, frame, [], "x", None).reference == "gradcam++"


def test_summary_writes_all_files_or_none(tmp_path):
    """An error leaves no file."""
    frame = make_results(conditions=("clean",))
    with pytest.raises(InputError, match="conditions must include"):
        absent = frame.assign(condition="absent_prompt")
        write_summary(tmp_path / "out", absent, [], "x", "lmac")
    assert not (tmp_path / "out").exists()
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_summary(blocked / "out", frame, [], "x", "lmac")
    assert blocked.read_text() == ""
