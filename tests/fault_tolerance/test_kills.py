"""kill -9 of explain, report and compare at file operations: the same command then completes."""

import contextlib
from functools import partial

import pytest
import soundfile
import torch

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.cli import compare, explain, report
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.inference.interpreter import Interpreter
from speechbrain_lmac.inference.timeline import Timeline
from speechbrain_lmac.reports import plots
from speechbrain_lmac.utils.files import atomic_write
from tests.helpers.killing import KillTest, check_complete, is_auxiliary, kill_at_points


@pytest.fixture(scope="module")
def cached_interpreter():
    """One interpreter for all commands, with results and figures cached in memory.

    The cache makes commands quick. All files are written by the real code.
    """
    loaded, figures = Interpreter.from_hparams(source="mini-mel"), {}
    with pytest.MonkeyPatch.context() as patch:
        for command in (explain, report, compare):
            patch.setattr(command, "load_interpreter", lambda *options, **more: loaded)
        patch.setattr(loaded, "interpret", cached(loaded.interpret))
        patch.setattr(loaded, "interpret_file", cached(loaded.interpret_file))
        for name in ("draw_interpretation", "draw_timeline"):
            patch.setattr(plots, name, partial(draw_cached, getattr(plots, name), figures))
        yield loaded


def cached(call):
    """Cache the results of a method for short sounds."""
    results = {}

    def cached_call(sound, prompts, *args, **options):
        if options.get("save_to"):
            return call(sound, prompts, *args, **options)
        name = getattr(sound, "path", sound)
        key = (name if isinstance(name, str) else sound.numpy().tobytes(), *prompts, *args)
        if key not in results:
            results[key] = call(sound, prompts, *args, **options)
        return results[key]

    return cached_call


def draw_cached(call, figures, explanation, path, *args):
    """Write a figure; draw it the first time only."""
    key = (call, explanation.file, *explanation.prompts)
    if key not in figures:
        call(explanation, path, *args)
        figures[key] = path.read_bytes()
    with atomic_write(path) as partial_file:
        partial_file.write_bytes(figures[key])


def write_inputs(folder, seconds=0.5):
    """Write two inputs, and files of the user in the output folders."""
    for name, kind in (("a", "siren"), ("b", "rain")):
        (folder / name).mkdir()
        sound = synthesize(kind, seed=1, seconds=seconds)
        soundfile.write(folder / name / "rec.wav", sound.numpy(), SAMPLE_RATE)
    for name in ("why", "why/rec", "why/rec-2"):
        (folder / name).mkdir()
        (folder / name / "mine.txt").write_text("keep me")
        (folder / name / "0-mine-explanation.wav").write_text("keep me")
        (folder / name / "figure.png.partial").write_text("keep me")


def run_explain(folder, prompt, *files, output="why", options=()):
    """Explain one or both inputs."""
    paths = [str(folder / name / "rec.wav") for name in files]
    command = ["explain", *paths, "--prompt", prompt, *options]
    assert main([*command, "--output", str(folder / output)]) == 0


def explain_test(folder, *files, seconds=0.5, earlier_prompts=(), options=()):
    """Return a KillTest of explain, over the explanations of earlier prompts."""

    def build(folder):
        write_inputs(folder, seconds)
        run_explain(folder, "siren", *files, output="../elsewhere")  # fills the cache
        for prompt in earlier_prompts:
            run_explain(folder, prompt, *files)

    work = partial(run_explain, folder, "siren", *files, options=options)
    return KillTest(folder, build, work, check_explanations)


def check_explanations(remaining, before, after):
    """Check that scores match the sounds next to them, and that the tables have complete rows."""
    for table in ("why/regions.csv", "why/scores.csv"):
        rows = [(tree.get(table) or b"").splitlines(keepends=True) for tree in (before, after)]
        remaining_rows = remaining.pop(table, b"").splitlines(keepends=True)
        assert set(remaining_rows) <= {*rows[0], *rows[1]}
    check_complete(remaining, before, after)
    for name in [name for name in remaining if name.endswith("scores.json")]:
        folder = name.removesuffix("scores.json")
        expected = before if remaining[name] == before.get(name) else after
        for file, content in expected.items():
            if file.startswith(folder) and not is_auxiliary(file):
                assert remaining.get(file) == content, f"{file} does not match {name}"


def test_kill_explain_two_files(cached_interpreter, tmp_path):
    """Files of one name have separate folders and rows."""
    kill_at_points(explain_test(tmp_path / "s", "a", "b"))


def test_kill_explain_second_run(cached_interpreter, tmp_path):
    """Another prompt replaces an earlier explanation."""
    kill_at_points(explain_test(tmp_path / "s", "a", earlier_prompts=["rain"]))


def test_kill_explain_skip_existing(cached_interpreter, tmp_path):
    """After a kill, ``--skip-existing`` skips complete explanations only."""
    kill_at_points(explain_test(tmp_path / "s", "a", "b", options=["--skip-existing"]))


def test_kill_explain_long_recording(cached_interpreter, tmp_path):
    """Recordings that are explained in windows are written in blocks."""
    kill_at_points(explain_test(tmp_path / "s", "a", seconds=15.5, earlier_prompts=["rain"]))


def make_timeline(value):
    """Return a Timeline of constant activity."""
    steps = torch.full((1, 20), value)
    bands = torch.ones(1, 2, 20)
    return Timeline(("dog",), steps, torch.ones(1, 20), bands, 2.0, torch.ones(4, 4), 32000)


def test_kill_save_tables(tmp_path):
    """All explanations write their tables by this function."""

    def build(folder):
        (folder / "mine.csv").write_text("keep me")
        make_timeline(0.3).save_tables(folder)

    work = partial(make_timeline(0.9).save_tables, tmp_path / "s")
    kill_at_points(KillTest(tmp_path / "s", build, work, check_complete))


def run_report(folder, prompt):
    """Write a report on one input."""
    words = [str(folder / "a" / "rec.wav"), "--output", str(folder / "page.html")]
    assert main(["report", *words, "--prompt", prompt]) == 0


def test_kill_report(cached_interpreter, tmp_path):
    """A report replaces an earlier report."""

    def build(folder):
        write_inputs(folder)
        (folder / "page.html.partial").write_text("keep me")
        run_report(folder, "rain")

    work = partial(run_report, tmp_path / "s", "siren")
    kill_at_points(KillTest(tmp_path / "s", build, work, check_complete))


def run_compare(folder):
    """Write a blind comparison; a complete one is refused, because a key is never replaced."""
    words = [str(folder / "a" / "rec.wav"), "--output", str(folder / "page.html"), "--blind"]
    words += ["--methods", "energy", "random", "--seed", "1"]
    complete = (folder / "page.key.json").exists()  # check_key: only with its page
    with pytest.raises(SystemExit) if complete else contextlib.nullcontext():
        assert main(["compare", *words, "--prompt", "siren"]) == 0


def check_key(remaining, before, after):
    """Check that a key exists only with its page."""
    check_complete(remaining, before, after)
    assert "page.key.json" not in remaining or remaining["page.html"] == after["page.html"]


def test_kill_compare(cached_interpreter, tmp_path):
    """A blind comparison consists of a page and a key."""
    work = partial(run_compare, tmp_path / "s")
    kill_at_points(KillTest(tmp_path / "s", write_inputs, work, check_key))
