"""A real browser without a window: Debian's Chromium, or whatever CHROMIUM names."""

import os
import shutil
from contextlib import contextmanager

import pytest

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium")


@contextmanager
def page(width=1280, height=900, offline=True, **options):
    """A page, and the errors of its console; without a network unless asked."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        context = browser.new_context(
            viewport={"width": width, "height": height}, offline=offline, **options
        )
        opened = context.new_page()
        errors = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.on(
            "console", lambda said: errors.append(said.text) if said.type == "error" else None
        )
        opened.on("requestfailed", lambda request: errors.extend(_failure(request)))
        yield opened, errors
        browser.close()


def _failure(request):
    """What failed, if the page did not hang up itself."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"not found: {request.url[:80]}"]
