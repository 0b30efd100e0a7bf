"""From rows to what people read: tables in three formats, and figures."""

from pathlib import Path

from speechbrain_lmac.evaluation.benchmark import diagnostics, figures, tables
from speechbrain_lmac.evaluation.benchmark.comparison import CONTROLS
from speechbrain_lmac.evaluation.benchmark.conditions import ABSENT, CLEAN, TWO_SOURCE
from speechbrain_lmac.evaluation.benchmark.config import UNTUNED
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import whole

HEADS = {
    "tuning": "How baselines were tuned",
    "presence": "Present against absent prompts",
    "swap": "The same mixture under each of its two prompts",
    "randomized": "Randomised models",
    "reworded": "Paraphrased prompts",
}
NOTES = {
    "tuning": "q - r: mean over the equal budgets on validation clips, the criterion that selects "
    "an interpreter's epoch. Where another variant than the first was chosen, the first has a row "
    "of its own: what is chosen by one measure may do worse by another.",
    "presence": "Area under the ROC curve of telling prompts that a mixture holds from those that "
    "it does not: by the mean of the map before it is scaled, by the energy that the mask keeps, "
    "and by the CLAP's own similarity, over all clips at once.",
    "swap": "Top 20 % of cells. Dominant: both explanations are more like their own source than "
    "like the other; difference: by how many dB.",
    "randomized": "Likeness to the map of the model as it was. text: random prompt embeddings; "
    "decoder: its weights permuted; audio-k: the k blocks of the audio encoder nearest its output.",
    "reworded": "Likeness of the maps of a prompt and its five paraphrases; correlation of that "
    "with the cosine of the prompts.",
}


def write(folder, frame, tuned, what, reference):
    """Write ``rows.csv``, ``summary.md``, ``.tex``, ``.csv`` and ``figures/``.

    Arguments
    ---------
    folder : str or Path
        Of the run.
    frame : pandas.DataFrame
        All rows.
    tuned : list of dict
        Of :func:`~speechbrain_lmac.evaluation.benchmark.tuning.tune`.
    what : str
        Which clips, names and models these are.
    reference : str or None
        The method that others are set against, if it is there; else the first explainer is.
    """
    folder = Path(folder)
    scored = diagnostics.scored(frame)
    if not len(scored):
        raise InputError("nothing was measured: name conditions other than absent")
    methods = list(scored.method.unique())
    if reference not in methods:
        reference = next((name for name in methods if name not in CONTROLS), methods[0])
    with whole(folder / "rows.csv") as partial:
        frame.to_csv(partial, index=False)
    found = {
        "tuning": diagnostics.tuning(tuned),
        "presence": diagnostics.presence(frame),
        "swap": diagnostics.swap(frame),
        "randomized": diagnostics.randomized(frame),
        "reworded": diagnostics.reworded(frame),
    }
    more = [(HEADS[name], shown(name, table)) for name, table in found.items() if len(table)]
    held = tables.summary(scored, reference, folder, what, more)
    draw(folder / "figures", frame, held, found["randomized"], reference)


def shown(name, table):
    """Tables of one kind, plane by plane."""
    if name != "randomized":
        return [tables.plain(masking, part, NOTES[name]) for masking, part in parts(table)]
    made = []
    for masking, part in parts(table):
        stages = list(part.stage.unique())
        for measure, what in (("spearman", "rank correlation"), ("ssim", "SSIM")):
            wide = part.pivot_table(measure, "method", "stage", sort=False)[stages]
            made.append(tables.plain(f"{masking}, {what}", wide.reset_index(), NOTES[name]))
    return made


def parts(table):
    """A table by its column ``masking``, without it."""
    for masking, part in table.groupby("masking", sort=False):
        yield masking, part.drop(columns="masking")


def draw(folder, frame, held, randomized, reference):
    """All figures that there are rows for, plane by plane."""
    folder.mkdir(exist_ok=True)
    for (masking, condition), part in held.groupby(["masking", "condition"], sort=False):
        if (part.metric == "AD@mean").any():
            figures.draw_metrics(part, reference, folder / f"{masking}_{condition}_metrics.png")
    for masking, part in frame.groupby("masking", sort=False):
        tuned = ~part.method.str.endswith(UNTUNED)
        points = figures.curve_points(part[(part.condition == CLEAN) & tuned])
        if len(points):
            figures.draw_curves(points, reference, folder / f"{masking}_curves.png")
        asked = part[part.condition.isin([TWO_SOURCE, ABSENT]) & tuned]
        if asked.condition.nunique() == 2:
            points = asked.assign(present=asked.condition == TWO_SOURCE, mean=asked["mask mean"])
            path = folder / f"{masking}_presence.png"
            figures.draw_mean_against_similarity(points[~points.method.isin(CONTROLS)], path)
    for masking, part in parts(randomized) if len(randomized) else ():
        figures.draw_randomisation(part, reference, folder / f"{masking}_randomised.png")
