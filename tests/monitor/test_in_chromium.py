"""The monitor's pages in a real browser: they fit a phone, ask nobody, and run nothing from data."""

from __future__ import annotations

import html as escaping
import json
import os
import re
import shutil
import subprocess

import pytest
from tests.monitor.test_watching import NOW, decision, rows, with_log, world

from hauberk.monitor.web import App

__all__ = ["world"]

FLAGS = (
    "--headless",
    "--hide-scrollbars",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--virtual-time-budget=5000",
    "--dump-dom",
)
PROBE = """<!doctype html><body><pre id="said"></pre><script>
const pages = PAGES, said = [];
for (const [number, {page, width, scripts}] of pages.entries()) {
  const frame = document.createElement('iframe');
  frame.style = `width:${width}px;height:900px`;
  if (!scripts) frame.setAttribute('sandbox', 'allow-same-origin');
  frame.addEventListener('load', () => {
    const view = frame.contentWindow, page = view.document;
    said[number] = {
      title: page.querySelector('h1').textContent,
      too_wide: page.documentElement.scrollWidth > view.innerWidth,
      requests: view.performance.getEntriesByType('resource').map((entry) => entry.name),
      drawn: page.querySelectorAll('svg').length > 0,
      text: page.querySelector('main').innerText.length,
    };
    document.getElementById('said').textContent = JSON.stringify(said);
  });
  frame.srcdoc = page;
  document.body.append(frame);
}
</script>"""


@pytest.fixture(scope="module")
def chromium():
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("chromium is not installed, and CI demands it")
    if found is None:
        pytest.skip("chromium is not installed")
    return found


def looked_at(chromium, folder, pages):
    """What the browser says of each page, at a width, with or without scripts."""
    named = [dict(zip(("page", "width", "scripts"), page, strict=True)) for page in pages]
    probe = folder / "probe.html"
    probe.write_text(PROBE.replace("PAGES", json.dumps(named).replace("<", "\\u003c")), "utf-8")
    done = subprocess.run(
        [chromium, *FLAGS, f"--user-data-dir={folder / 'profile'}", probe.as_uri()],
        capture_output=True,
        timeout=180,
        check=True,
    )
    said = re.search(r'<pre id="said">(.*?)</pre>', done.stdout.decode(), re.DOTALL)
    return json.loads(escaping.unescape(said[1]))


def test_pages_fit_a_phone_and_say_the_main_facts_without_scripts(chromium, tmp_path, world):
    with_log(world, [decision(NOW, shadow=["x"], who="<img src=x onerror=parent.owned=true>")])
    world.put("a.parquet", rows(1, 500, at=NOW, shift=8))
    monitor = world.open()
    monitor.tick()
    app = App(monitor)
    overview, model, audit = (app.page(p, {}).body for p in ("/", "/models/loans", "/audit"))
    wanted = [
        (overview, 390, True),
        (model, 390, False),
        (model, 1280, True),
        (audit, 390, False),
    ]
    found = looked_at(chromium, tmp_path, wanted)
    assert [item["title"] for item in found] == ["Act now: loans", "loans", "loans", "Decisions"]
    assert not any(item["too_wide"] for item in found)
    assert not any(item["requests"] for item in found)
    assert [item["drawn"] for item in found[1:3]] == [True, True]
    assert all(item["text"] > 100 for item in found)
