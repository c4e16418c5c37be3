"""Payloads that the model repeats, shown to a real browser: none runs, loads or becomes markup.

The page holds every encoded payload as the content of an element and as an attribute. The
same payloads as they are prove that the page would notice. Skipped without Chromium; where
CI is true, its absence is a failure.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hauberk.attacks.exchange.inject_output import CANARY, payloads
from hauberk.methods.rich_text import rich_html, rich_markdown
from hauberk.methods.sinks import Sink, encode_for_sink

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-first-run",
    "--no-default-browser-check",
    "--metrics-recording-only",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--virtual-time-budget=3000",
)

# Counts what became of the containers, after the page's own handlers had their turn.
_COUNT = """
setTimeout(() => {
  const holders = [...document.querySelectorAll('.holder')];
  const grown = holders.map((h, i) => [i, h.querySelectorAll('*').length]);
  const loaded = performance.getEntriesByType('resource').map((e) => e.name);
  const answer = document.createElement('pre');
  answer.id = 'answer';
  answer.textContent = JSON.stringify({
    holders: holders.length, grown: grown.filter(([, n]) => n > 0).map(([i]) => i),
    title: document.title, loaded, texts: holders.map((h) => h.textContent),
    attributes: holders.map((h) => h.title),
  });
  document.body.append(answer);
}, 500);
"""


@pytest.fixture(scope="module")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("chromium is not installed, and CI demands it")
    if found is None:
        pytest.skip("chromium is not installed")
    return found


def _shown(chromium: str, folder: Path, texts: list[str]) -> dict:
    """What the browser makes of a page that holds each text in an element and an attribute."""
    holders = "".join(f'<div class="holder" title="{text}">{text}</div>\n' for text in texts)
    page = folder / "page.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><title>start</title><body>{holders}"
        f"<script>{_COUNT}</script>",
        "utf-8",
    )
    command = [chromium, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run([*command, page.as_uri()], capture_output=True, timeout=120, check=True)
    found = re.search(r'<pre id="answer">(.*?)</pre>', done.stdout.decode(), re.DOTALL)
    assert found is not None, done.stderr.decode()[-2000:]
    return json.loads(html.unescape(found[1]))


def _texts(*sinks: str) -> list[str]:
    return [text for sink, text in payloads() if sink in sinks]


@pytest.mark.slow
def test_no_encoded_payload_is_active_in_a_browser(chromium, tmp_path):
    texts = _texts(*Sink)
    seen = _shown(chromium, tmp_path, [encode_for_sink(text, Sink.HTML) for text in texts])
    assert (seen["holders"], seen["grown"]) == (len(texts), [])
    assert (seen["title"], seen["loaded"]) == ("start", [])


@pytest.mark.slow
def test_a_browser_shows_encoded_text_whole(chromium, tmp_path):
    texts = [
        text for text in _texts("html", "agent", "csv") if not re.search(r"[\r\x00-\x08]", text)
    ]
    seen = _shown(chromium, tmp_path, [encode_for_sink(text, Sink.HTML) for text in texts])
    assert seen["texts"] == texts
    assert seen["attributes"] == texts


@pytest.mark.slow
@pytest.mark.parametrize("number", range(3))
def test_the_page_notices_a_payload_that_was_not_encoded(chromium, tmp_path, number):
    text = _texts("html")[4 * number]  # a script, a broken image, a drawing
    seen = _shown(chromium, tmp_path, [text])
    assert seen["title"].lower() == CANARY


@pytest.mark.slow
def test_rendered_markdown_payloads_are_text_only(chromium, tmp_path):
    renderer = pytest.importorskip("markdown_it").MarkdownIt("commonmark", {"html": True})
    texts = [encode_for_sink(text, Sink.MARKDOWN) for text in _texts("markdown", "html")]
    page = "".join(renderer.render(text) + "\n\n" for text in texts)
    assert set(re.findall(r"<(/?\w+)", page)) == {"p", "/p"}
    seen = _shown(chromium, tmp_path, [page])
    assert (seen["title"], seen["loaded"]) == ("start", [])


@pytest.mark.slow
def test_formatted_answers_run_load_and_lead_to_nothing(chromium, tmp_path):
    renderer = pytest.importorskip("markdown_it").MarkdownIt("commonmark", {"html": True})
    texts = _texts(*Sink)
    pieces = [rich_html(text) for text in texts]
    pieces += [renderer.render(rich_markdown(text)) for text in texts]
    seen = _shown(chromium, tmp_path, [piece.replace('"', "&quot;") for piece in pieces])
    assert seen["holders"] == len(pieces)
    assert (seen["title"], seen["loaded"]) == ("start", [])
