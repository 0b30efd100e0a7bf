"""Content security policy of pages: a browser runs only their own scripts."""

import pytest

from speechbrain_lmac.reports.page import content_security_policy, embedded_report, write_report
from tests.helpers.browser import needs_chromium, page

INJECTED = """<script>window.taken = 1</script><img src="x" onerror="window.taken = 2">
<img src="http://127.0.0.1:9/pixel.png"><style>body { opacity: 0 }</style>"""


@pytest.fixture
def written(tmp_path):
    """Empty report."""
    return write_report(tmp_path / "report.html", [], "A test")


@needs_chromium
def test_injected_script_does_not_run(written):
    """Scripts, images of other hosts and styles in the page are blocked."""
    with page() as (shown, errors):
        shown.goto(written.as_uri())
        assert errors == []
        written.write_text(written.read_text().replace("<main>", f"<main>{INJECTED}"))
        shown.goto(written.as_uri())
        assert shown.evaluate("window.taken === undefined")
        assert shown.evaluate("getComputedStyle(document.body).opacity") == "1"
        assert len([text for text in errors if "Content Security Policy" in text]) >= 4


@needs_chromium
def test_frame_cannot_reach_the_app(tmp_path):
    """A report embedded in the app cannot access the page around it."""
    outer = tmp_path / "app.html"
    outer.write_text(f"<!DOCTYPE html><title>app</title>{embedded_report([], 'A test', '50vh')}")
    with page() as (shown, errors):
        shown.goto(outer.as_uri())
        inner = shown.frames[1]
        assert inner.evaluate("window.origin") == "null"
        assert (
            inner.evaluate("(() => { try { return !!parent.document } catch { return false } })()")
            is False
        )
        assert errors == []


def test_policy_allows_no_address():
    """The policy has no address and no unsafe scripts."""
    directives = dict(part.strip().split(" ", 1) for part in content_security_policy().split(";"))
    assert directives["default-src"] == "'none'" and directives["media-src"] == "data:"
    assert "unsafe" not in directives["script-src"] and "http" not in content_security_policy()
