"""Web app: its functions, and the page in a browser."""

import io
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import gradio
import numpy as np
import pytest
import soundfile

from speechbrain_lmac.cli import web
from speechbrain_lmac.cli.web import explain, interpreter, launch, read_upload
from speechbrain_lmac.cli.web_downloads import new_download
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture, synthesize
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.browser import needs_chromium, page
from tests.helpers.sound_formats import encode_audio

MEL = "mini-mel"
FITS = """async () => {
    for (let tries = 0; tries < 100; tries++) {
        if (document.documentElement.scrollHeight <= innerHeight) return true;
        await new Promise((done) => setTimeout(done, 50));
    }
}"""
"""Wait until a frame is as high as its content."""


@pytest.fixture(scope="module")
def address():
    """Address of a running app."""
    _, url, _ = launch(prevent_thread_lock=True, quiet=True, inbrowser=False)
    yield url
    gradio.close_all()


@pytest.fixture
def upload(tmp_path):
    """Function that writes bytes or samples as an upload and returns the path."""

    def make(content, rate=16000, name="street.wav"):
        path = tmp_path / name
        if not isinstance(content, bytes):
            buffer = io.BytesIO()
            soundfile.write(buffer, content, rate, format="WAV")
            content = buffer.getvalue()
        path.write_bytes(content)
        return str(path)

    return make


def test_app_reports_missing_inputs(upload):
    """Missing, silent, long and unknown inputs are errors of the app."""
    noise = np.random.default_rng(0).standard_normal(8000) * 0.1
    for sound, prompts, message in (
        (None, "a dog", "A sound must be given"),
        (upload(np.zeros(100), name="silent.wav"), "a dog", "all silence"),
        (upload(noise), "\n".join(f"dog {i}" for i in range(21)), "at most 20 texts"),
        (upload(noise), "d" * 501, "at most 20 texts of at most 500 letters"),
    ):
        with pytest.raises(gradio.Error, match=message):
            explain(sound, prompts, "", MEL)
    with pytest.raises(gradio.Error, match="must be mini-stft or mini-mel"):
        explain(upload(noise), "a dog", "", "/etc")


@pytest.mark.parametrize("name", ["wav8", "float", "extensible", "alaw", "flac", "opus", "m4a"])
def test_app_reads_uploads_as_interpret_file(upload, name):
    """An upload is read as ``interpret_file`` reads the same bytes."""
    samples = 0.5 * synthesize("siren", seed=3, seconds=1.0).unsqueeze(1).numpy()
    path = upload(encode_audio(name, samples, 48000))
    expected = interpreter(MEL).interpret_file(path, ["siren"])
    upload_read = read_upload(path, expected.sample_rate)
    assert np.array_equal(upload_read.wav.numpy(), expected.original.numpy())


def test_app_deletes_uploads_keeps_samples(upload):
    """The file is deleted, its samples stay for the next prompts; example files stay."""
    noise = np.random.default_rng(0).standard_normal(8000) * 0.1
    path = upload(noise, name="card 7.wav")
    _, player, note, previous, _ = explain(path, "a dog", "", MEL)
    assert not Path(path).exists() and player is None and "card 7.wav" in note
    html, *_ = explain(None, "a cat", "", MEL, previous)
    assert "card 7.wav" in html and "a cat" in html
    invalid = upload(b"no sound")
    with pytest.raises(gradio.Error, match="no known sound format"):
        explain(invalid, "a dog", "", MEL)
    assert not Path(invalid).exists()
    example = web._examples()[0][0][0]
    explain(example, "a dog", "", MEL)
    assert Path(example).exists()


def test_app_explains_the_prediction(upload):
    """Without prompts, the most probable of the ESC-50 classes is explained."""
    siren = 0.5 * synthesize("siren", seed=3, seconds=2.0).numpy()
    html, *_ = explain(upload(siren, SAMPLE_RATE), " \n", None, MEL)
    assert "this is the sound of siren" in html


def test_app_explains_classes(upload, labels_source):
    """Class names are a list; the words of the page follow the interpreter."""
    siren = 0.5 * synthesize("siren", seed=3, seconds=2.0).numpy()
    options = (labels_source, None, [labels_source])
    html, _, note, previous, _ = explain(upload(siren, SAMPLE_RATE), ["Siren"], "Rain", *options)
    assert "“Siren” rather than “Rain”" in html and "Change the classes" in note
    assert "Siren" in web.class_names(labels_source) and web.class_names(MEL) is None
    html, *_ = explain(None, [], None, labels_source, previous, [labels_source])
    assert "probability of the class" in html
    with pytest.raises(gradio.Error, match="must be one of 527, got 'Sirens'"):
        explain(None, ["Sirens"], None, labels_source, previous, [labels_source])
    with pytest.raises(gradio.Error, match="must be mini-stft or mini-mel"):
        explain(None, [], None, labels_source, previous)


def test_app_limits_uploads(upload, tmp_path, monkeypatch):
    """Playlists, long sounds in small files, large files and long work are refused."""
    (tmp_path / "secret.wav").write_bytes(Path(upload(np.sin(np.arange(9000)))).read_bytes())
    playlist = upload(b"#EXTM3U\n#EXTINF:1,\nsecret.wav\n", name="list.m3u8")
    with pytest.raises(gradio.Error, match="no known sound format") as refused:
        explain(playlist, "a dog", "", MEL)
    assert str(tmp_path) not in str(refused.value)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.tile(np.float32([0, 1e-3]), 8000 * 400), 8000, format="FLAC")
    with pytest.raises(gradio.Error, match="at most 600 s"):
        explain(upload(buffer.getvalue(), name="bomb.flac"), "a dog", "", MEL)
    with pytest.raises(gradio.Error, match="at most 360 s"):
        read = upload(buffer.getvalue(), name="bomb.flac")
        explain(read, "a dog", "", MEL, minutes=6)
    monkeypatch.setattr(web, "MAX_WORK_SECONDS", -1)
    with pytest.raises(gradio.Error, match="at most -1 s"):
        explain(upload(np.sin(np.arange(9000))), "a dog", "", MEL)
    monkeypatch.setattr(web, "MAX_BYTES", 100)
    with pytest.raises(gradio.Error, match="at most 0 MB"):
        explain(upload(np.sin(np.arange(9000))), "a dog", "", MEL)


def test_app_explains_long_recordings(upload):
    """All 20 s are explained, under the name of the file."""
    tone = 0.3 * np.sin(np.arange(20 * 16000) / 5)
    html, *_, archive = explain(upload(tone), "a dog\na cat", "", MEL)
    assert "street.wav" in html and "20.0 s" in html
    with zipfile.ZipFile(archive) as files:
        names = {Path(name).name for name in files.namelist()}
    assert {"figure.png", "scores.json", "activity.csv", "regions.csv"} <= names
    assert sum(name.endswith("-explanation.flac") for name in names) == 2


def test_downloads_expire(monkeypatch):
    """A new download deletes those that are older than the lifetime, and no others."""
    made = []
    for lifetime in (600, 600, -1):
        with new_download("a.wav", lifetime) as (folder, archive):
            folder.mkdir()
            (folder / "a.txt").write_text("a")
        made.append(archive)
        assert archive.is_file() and not folder.exists()
    assert [path.exists() for path in made] == [False, False, True]
    with pytest.raises(InputError), new_download("a.wav", 600) as (folder, archive):
        raise InputError("no")
    assert not archive.parent.exists()


def test_app_accepts_any_source_on_request(upload, tmp_path):
    """Other interpreters are loaded only if the app allows them; an invalid one is an error."""
    noise = upload(np.random.default_rng(0).standard_normal(8000) * 0.1)
    assert (
        web._names(str(tmp_path), web.SOURCES) is None and web._names(str(tmp_path), None) is None
    )
    with pytest.raises(gradio.Error, match=tmp_path.name):
        explain(noise, "a dog", "", str(tmp_path), None, None)


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 200), ("evil.example", 400)])
def test_app_answers_known_hosts_only(address, host, status):
    """A web page whose host name points to this machine gets no answer."""
    request = urllib.request.Request(address, headers={"Host": host})
    try:
        answered = urllib.request.urlopen(request, timeout=30).status
    except urllib.error.HTTPError as error:
        answered = error.code
    assert answered == status


@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_app_in_a_browser(address, width, tmp_path):
    """An upload is explained and played, without requests to other addresses."""
    mixed = mixture("siren", "rain", seed=5, seconds=2.0)
    path = tmp_path / "street.wav"
    soundfile.write(path, 0.5 * mixed.mixture.numpy(), SAMPLE_RATE)
    with page(width, offline=False) as (shown, errors):
        requested = []
        shown.on("request", lambda request: requested.append(request.url))
        shown.goto(address)
        shown.locator("input[type=file]").first.set_input_files(path)
        shown.get_by_label("Prompts, one per line").fill("the sound of siren\nthe sound of rain")
        shown.get_by_text("mini-mel").click()
        shown.get_by_role("button", name="Explain").click()
        frame = shown.frame_locator('iframe[title="Explanations"]')
        frame.locator("h3").first.wait_for(timeout=60000)
        titles = frame.locator("h3").all_text_contents()
        assert [title.split("”")[0] for title in titles] == [
            "“the sound of siren",
            "“the sound of rain",
        ]
        playing = (
            frame.locator("audio")
            .nth(1)
            .evaluate(
                """async (sound) => {
                await sound.play();
                for (let tries = 0; tries < 100 && !sound.currentTime; tries++)
                    await new Promise((done) => setTimeout(done, 50));
                return sound.currentTime;
            }"""
            )
        )
        assert playing > 0
        shown.locator('iframe[title="Explanations"]').evaluate("(frame) => frame.scrollIntoView()")
        assert frame.locator("body").evaluate(FITS)  # the page scrolls, not the frame
        with shown.expect_download() as download:
            shown.get_by_role("link", name="Download").or_(
                shown.get_by_role("button", name="Download")
            ).first.click()
        assert download.value.suggested_filename == "street-explanation.zip"
        example = shown.locator(".examples td").last
        assert "white-space: pre-line" in shown.content() and "\n" in example.text_content()
        shown.screenshot(path=tmp_path / "app.png", full_page=True)
        foreign = [
            url for url in requested if not url.startswith((address, "data:", "blob:", "ws:"))
        ]
        assert not foreign
    assert not errors


@needs_chromium
def test_app_picks_classes_in_a_browser(labels_source, upload):
    """Fields follow the interpreter: prompts for a CLAP, a list of classes for a classifier."""
    siren = 0.5 * synthesize("siren", seed=3, seconds=1.0).numpy()
    path = upload(siren, SAMPLE_RATE)
    sources = (MEL, labels_source)
    _, url, _ = launch(sources=sources, prevent_thread_lock=True, quiet=True, inbrowser=False)
    with page(offline=False) as (shown, errors):
        shown.goto(url)
        shown.get_by_label("Prompts, one per line").wait_for()
        shown.get_by_text(labels_source).click()
        classes = shown.get_by_label("Classes (default: the most probable one)")
        classes.wait_for()
        assert not shown.get_by_label("Prompts, one per line").is_visible()
        shown.locator("input[type=file]").first.set_input_files(path)
        classes.fill("Siren")
        shown.get_by_role("option", name="Siren", exact=True).click()
        shown.get_by_role("button", name="Explain").click()
        frame = shown.frame_locator('iframe[title="Explanations"]')
        frame.locator("h3").first.wait_for(timeout=60000)
        assert "“Siren”" in frame.locator("h3").first.text_content()
    assert not errors
