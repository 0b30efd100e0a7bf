"""The browser demo in a real browser: upload, type, play."""

import gradio
import numpy as np
import pytest
import soundfile

from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture
from speechbrain_lmac.web import explain, launch
from tests.browser import needs_chromium, page


@pytest.fixture(scope="module")
def address():
    _, url, _ = launch(prevent_thread_lock=True, quiet=True, inbrowser=False)
    yield url
    gradio.close_all()


def test_what_is_missing_is_said():
    silence = (8000, np.zeros(100, dtype=np.int16))
    noise = (8000, np.arange(8000, dtype=np.int16))
    with pytest.raises(gradio.Error, match="Give a sound first"):
        explain(None, "a dog", "", "embedded-mel")
    with pytest.raises(gradio.Error, match="at least one prompt"):
        explain(noise, " \n", "", "embedded-mel")
    with pytest.raises(gradio.Error, match="all silence"):
        explain(silence, "a dog", "", "embedded-mel")


def test_long_recordings_are_cut_and_integers_are_heard():
    tone = np.sin(np.arange(20 * 16000) / 5)
    shown = explain((16000, (9000 * tone).astype(np.int16)), "a dog\na cat", "", "embedded-mel")
    assert "15.0 s" in shown and shown.count("&lt;audio") == 5


@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_upload_type_and_play(address, width, tmp_path):
    scene = mixture("siren", "rain", seed=5, seconds=2.0)
    path = tmp_path / "street.wav"
    soundfile.write(path, 0.5 * scene.mixture.numpy(), SAMPLE_RATE)
    with page(width, offline=False) as (shown, errors):
        asked = []
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto(address)
        shown.locator("input[type=file]").first.set_input_files(path)
        shown.get_by_label("Texts, one a line").fill("the sound of siren\nthe sound of rain")
        shown.get_by_text("embedded-mel").click()
        shown.get_by_role("button", name="Explain").click()
        frame = shown.frame_locator('iframe[title="Explanations"]')
        frame.locator("h3").first.wait_for(timeout=60000)
        assert frame.locator("h3").all_text_contents() == [
            "“the sound of siren”",
            "“the sound of rain”",
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
        shown.screenshot(path=tmp_path / "app.png", full_page=True)
        elsewhere = [url for url in asked if not url.startswith((address, "data:", "blob:", "ws:"))]
        assert not elsewhere
    assert not errors
