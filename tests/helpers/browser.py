"""Headless Chromium: that of Debian, or the program that the variable CHROMIUM names."""

import os
import shutil
from contextlib import contextmanager

import pytest

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium")


@contextmanager
def page(width=1280, height=900, offline=True, **options):
    """Yield a page and the list of its errors. By default, the page has no network."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        context = browser.new_context(
            viewport={"width": width, "height": height}, offline=offline, **options
        )
        tab = context.new_page()
        errors = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        tab.on("requestfailed", lambda request: errors.extend(_failure(request)))
        yield tab, errors
        browser.close()


def _failure(request):
    """Return the address of a failed request, unless the page canceled it."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"not found: {request.url[:80]}"]
