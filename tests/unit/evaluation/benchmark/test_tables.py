import re

import numpy as np
import pandas as pd
import pytest

from speechbrain_lmac.evaluation.benchmark.assessment import assess
from speechbrain_lmac.evaluation.benchmark.formats import Cell, Table, latex, markdown
from speechbrain_lmac.evaluation.benchmark.tables import (
    cost,
    ground_truth,
    headline,
    raw,
    summary,
    tables,
    words,
)
from speechbrain_lmac.utils.errors import InputError

BUDGETS = (5, 10, 20, 40)
LEVELS = {
    "gradcam++": 60,
    "lmac": 40,
    "saliency": 40,
    "scorecam": 30,
    "energy": 20,
    "oracle-irm": 10,
}
"""AD of each method; what the tables must find again."""


def bench(maskings=("mel",), conditions=("clean", "two_source"), clips=60):
    """Rows of a bench whose truth is known: lmac is better than gradcam++, ties with saliency
    and is worse than energy; scorecam is only on the subset."""
    rows = []
    for masking in maskings:
        for condition in conditions:
            generator = np.random.default_rng(0)
            common = generator.normal(0, 5, clips)
            for method, level in LEVELS.items():
                for i in range(20 if method == "scorecam" else clips):
                    row = {"masking": masking, "condition": condition, "method": method}
                    row |= {"clip": f"c{i}", "recording": f"r{i}", "subset": i < 20}
                    height = level + common[i] + generator.normal(0, 1)
                    for end in ("", *(f"@{b}" for b in BUDGETS)):
                        row |= {f"AD{end}": height, f"FF{end}": 1 - height / 100}
                        row |= {f"Fid-In{end}": float(i % 2), f"AI{end}": 0, f"AG{end}": 0}
                    row |= {"AD (as published)": height / 4, "SPS": 0.5, "MM": 0.3}
                    row |= {"COMP/ln": 0.9, "silent": float(i == 0), "failed": 0.0}
                    if condition == "two_source":
                        row |= {f"SI-SDRi@{b}": 10 - level / 10 for b in BUDGETS}
                        row |= {"SI-SDRi": 10 - level / 10, "pointing": 1.0}
                    if i < 20:
                        row["deletion silence"] = height / 100
                    rows.append(row | {"passes": level / 10, "seconds": level / 1000})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def held():
    return assess(bench(), "lmac", resamples=2000)


def of(held, condition):
    return held[held.condition == condition]


def cells(table):
    """(method, head) -> Cell"""
    return {
        (row[0].text, head): cell
        for row in table.rows
        for head, cell in zip(table.head[1:], row[1:])
    }


def test_marks_say_who_is_better(held):
    found = cells(headline(of(held, "clean"), "lmac"))
    marks = {method: found[method, "AD ↓"].mark for method in LEVELS}
    assert marks == {
        "gradcam++": "▲",
        "lmac": "",
        "saliency": "=",
        "scorecam": "▼",
        "energy": "▼",
        "oracle-irm": "▼",
    }


def test_the_reference_comes_first_and_others_keep_their_order(held):
    """Whenever it joined in."""
    table = headline(of(held, "clean"), "lmac")
    others = [method for method in LEVELS if method != "lmac"]
    assert [row[0].text for row in table.rows] == ["lmac", *others]


def test_the_best_explainer_is_bold_and_no_control_no_ideal_no_subset(held):
    found = cells(headline(of(held, "clean"), "lmac"))
    bold = {method for (method, head), cell in found.items() if head == "AD ↓" and cell.bold}
    assert len(bold) == 1 and bold < {"lmac", "saliency"}


def test_ai_and_ag_come_last_and_are_never_marked(held):
    table = headline(of(held, "clean"), "lmac")
    heads = list(table.head)
    assert heads[-5:] == ["AI ↑", "AG ↑", "clips", "passes", "seconds"]
    for (_, head), cell in cells(table).items():
        if head in ("AI ↑", "AG ↑"):
            assert cell.mark == "" and not cell.bold and "[" not in cell.text


def test_a_cell_holds_the_mean_within_its_interval(held):
    frame = bench()
    own = frame[(frame.condition == "clean") & (frame.method == "gradcam++")]
    text = cells(headline(of(held, "clean"), "lmac"))["gradcam++", "AD ↓"].text
    mean, low, high = map(float, re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", text).groups())
    assert mean == pytest.approx(own["AD@5"].mean(), abs=0.05)
    half = 1.96 * own["AD@5"].std() / np.sqrt(60)
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.3)


def test_fewer_clips_are_counted_and_paired(held):
    found = cells(headline(of(held, "clean"), "lmac"))
    assert found["scorecam", "clips"].text == "20" and found["energy", "clips"].text == "60"
    row = of(held, "clean").set_index(["method", "metric"]).loc[("scorecam", "AD@mean")]
    assert row.shared == 20 and row.difference == pytest.approx(10, abs=1)


def test_verdicts_are_said_in_words(held):
    part = of(held, "clean")
    sentence = words(part, "AD@mean", "lmac")
    assert sentence == (
        "AD: lmac is better than gradcam++; ties with saliency; "
        "is worse than scorecam, energy, oracle-irm."
    )
    assert sentence in headline(part, "lmac").notes
    assert words(part, "Fid-In@mean", "lmac") == "Fid-In: lmac ties with all others."
    assert words(part, "AI@mean", "lmac") == ""


def test_raw_masks_are_set_against_nothing(held):
    table = raw(of(held, "clean"))
    assert not table.notes
    assert all(not cell.mark and not cell.bold for row in table.rows for cell in row)
    assert {"AD (as published) ↓", "MM", "silent, %", "failed, %"} < set(table.head)
    assert cells(table)["energy", "silent, %"].text == "1.7"


def test_share_of_the_ideal(held):
    found = cells(ground_truth(of(held, "two_source"), "lmac"))
    shares = {name: found[name, "% of ideal"].text for name in LEVELS}
    assert shares == {name: f"{100 * (10 - level / 10) / 9:.0f}" for name, level in LEVELS.items()}


def test_a_silent_explainer_is_neither_bold_nor_better():
    frame = bench(conditions=("two_source",))
    first = frame["clip"].isin(["c1", "c2", "c3", "c4"])
    frame.loc[(frame.method == "saliency"), ["SI-SDRi"]] = 9.5
    frame.loc[(frame.method == "saliency") & first, "SI-SDRi"] = -np.inf
    held = assess(frame, "lmac", resamples=2000)
    found = cells(ground_truth(held, "lmac"))
    silent = found["saliency", "SI-SDRi, dB ↑"]
    assert silent.text.startswith("9.50") and silent.mark == "=" and not silent.bold
    assert found["lmac", "SI-SDRi, dB ↑"].bold
    assert found["saliency", "silenced, %"].text == "6.7"
    assert {found[name, "pairs"].text for name in ("lmac", "gradcam++")} == {"56"}


def test_what_was_not_measured_has_no_table(held):
    made = {heading: [table.title for table in made] for heading, made in tables(held, "lmac")}
    assert list(made) == ["mel, clean", "mel, two_source", "mel, cost"]
    assert not any("stems" in title for title in made["mel, clean"])
    assert any("stems" in title for title in made["mel, two_source"])
    absent = bench(conditions=("clean", "absent"))
    absent.loc[absent.condition == "absent", list(absent.filter(regex="^(AD|FF|Fid|AI|AG)"))] = (
        np.nan
    )
    absent = absent.drop(columns=["SPS", "MM", "COMP/ln", "deletion silence"])
    held = assess(absent, "lmac", resamples=100)
    assert [name for name, _ in tables(held, "lmac")] == ["mel, clean", "mel, cost"]


def test_cost_is_relative_to_the_reference(held):
    found = cells(cost(held, "lmac"))
    assert found["gradcam++", "times lmac"].text == "1.5"
    assert found["gradcam++", "ms a clip, median"].text == "60"
    assert found["energy", "encoder passes"].text == "2"


def test_a_plane_without_the_reference_has_no_marks():
    frame = bench(maskings=("mel", "stft"), conditions=("clean",))
    frame = frame[(frame.masking == "mel") | (frame.method != "lmac")]
    held = assess(frame, "lmac", resamples=200)
    table = headline(held[held.masking == "stft"], "lmac")
    assert not table.notes and not any(cell.mark for row in table.rows for cell in row)


PLAIN = Table(
    "A 5 % table",
    ("method", "AD ↓"),
    ((Cell("a_b|c"), Cell("-1.0 [-2, 0]", "▲", True)), (Cell("x"), Cell("0.0", "="))),
    ("p & q",),
)


def test_markdown_has_as_many_cells_in_every_line():
    text = markdown(PLAIN)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {3}
    assert "**-1.0 [-2, 0]** ▲" in text and "- p & q" in text


def test_latex_escapes_what_it_would_read_as_its_own():
    text = latex(PLAIN)
    assert r"a\_b\textbar{}c & \textbf{-1.0 [-2, 0]} $\bigtriangleup$ \\" in text
    assert r"5 \% table" in text and r"p \& q\par" in text
    assert text.isascii()
    assert text.count("{") == text.count("}")


def test_the_summary_is_in_three_files(tmp_path):
    frame = bench(maskings=("mel", "stft")).sample(frac=1, random_state=0)
    held = summary(frame, "lmac", tmp_path / "new", "Fold 5, 100 % made up")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "summary.csv",
        "summary.md",
        "summary.tex",
    ]
    text = (tmp_path / "new" / "summary.md").read_text(encoding="utf-8")
    assert text.startswith("# Fold 5, 100 % made up\n")
    assert text.count("resampled by source recording") == 1  # the legend, once
    assert text.count("| gradcam++ |") == 2 * (2 + 3) + 2
    latex_text = (tmp_path / "new" / "summary.tex").read_text(encoding="utf-8")
    assert latex_text.isascii() and r"stft, two\_source" in latex_text
    written = pd.read_csv(tmp_path / "new" / "summary.csv")
    pd.testing.assert_frame_equal(written, held, check_dtype=False)
    line = written.query(
        "masking == 'stft' and condition == 'clean' and method == 'energy' and metric == 'AD@mean'"
    )
    assert line.verdict.tolist() == ["worse"] and line.difference.item() > 15


def test_nothing_is_left_where_a_summary_cannot_be_made(tmp_path):
    with pytest.raises(InputError, match="no method ours"):
        summary(bench(), "ours", tmp_path / "out", "x")
    assert not (tmp_path / "out").exists()
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        summary(bench(conditions=("clean",)), "lmac", blocked / "out", "x")
    assert blocked.read_text() == ""
