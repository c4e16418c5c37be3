"""The monitor's pages for those who use a keyboard, or see little: measured in a real browser."""

from __future__ import annotations

import html as escaping
import json
import re
import subprocess

import pytest
from tests.monitor.test_in_chromium import FLAGS, chromium
from tests.monitor.test_watching import NOW, decision, rows, with_log, world

from hauberk.monitor.web import App

__all__ = ["chromium", "world"]

PROBE = """<!doctype html><body><pre id="said"></pre><script>
const pages = PAGES, said = [];
const parts = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const ratio = (a, b) => {
  const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};
function behind(view, node) {
  let layers = [];
  for (let at = node; at; at = at.parentElement) {
    const [r, g, b, a = 1] = parts(view.getComputedStyle(at).backgroundColor);
    if (a > 0) layers.push([r, g, b, a]);
    if (a === 1) break;
  }
  let found = [255, 255, 255];
  for (const [r, g, b, a] of layers.reverse())
    found = [r, g, b].map((v, i) => v * a + found[i] * (1 - a));
  return found;
}
function texts(view, page) {
  const found = [], walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement, style = view.getComputedStyle(node);
    if (!walker.currentNode.data.trim() || node.closest('script, style, .said, .skip')) continue;
    if (style.visibility === 'hidden' || !node.getClientRects().length) continue;
    const colour = node.closest('svg') ? style.fill : style.color;
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    found.push({
      text: walker.currentNode.data.trim().slice(0, 30),
      ratio: ratio(parts(colour), behind(view, node)),
      large: size >= 24 || (bold && size >= 18.66),
    });
  }
  return found;
}
function reached(view, page) {
  const nodes = page.querySelectorAll('a[href], input, button, select, summary, [tabindex]');
  return [...nodes].map((node) => {
    node.focus();
    const style = view.getComputedStyle(node);
    const label = node.id && page.querySelector(`label[for="${node.id}"]`);
    return {
      node: node.tagName,
      name: (node.getAttribute('aria-label') || (label ? label.textContent : node.textContent)).trim(),
      focused: page.activeElement === node,
      outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0,
      tabindex: node.tabIndex,
    };
  });
}
for (const [number, {page, width}] of pages.entries()) {
  const frame = document.createElement('iframe');
  frame.style = `width:${width}px;height:900px`;
  frame.addEventListener('load', () => {
    const view = frame.contentWindow, page = view.document;
    said[number] = {
      texts: texts(view, page),
      reached: reached(view, page),
      headings: [...page.querySelectorAll('h1, h2, h3, h4')].map((h) => Number(h.tagName[1])),
      lang: page.documentElement.lang,
      unnamed: [...page.querySelectorAll('svg')].filter((svg) => !svg.closest('[aria-hidden]')
        && !svg.getAttribute('aria-label') && !svg.querySelector('title')).length,
      scrolling: [...page.querySelectorAll('*')].filter((node) => node.tabIndex < 0
        && node.scrollWidth > node.clientWidth + 1
        && ['auto', 'scroll'].includes(view.getComputedStyle(node).overflowX)
        && !node.querySelector('a[href]')).length,
      landmarks: ['main', 'nav', 'header', 'footer'].filter((name) => page.querySelector(name)),
    };
    document.getElementById('said').textContent = JSON.stringify(said);
  });
  frame.srcdoc = page;
  document.body.append(frame);
}
</script>"""


def looked_at(chromium, folder, pages):
    named = [{"page": page, "width": width} for page, width in pages]
    probe = folder / "probe.html"
    probe.write_text(PROBE.replace("PAGES", json.dumps(named).replace("<", "\\u003c")), "utf-8")
    done = subprocess.run(
        [chromium, *FLAGS, f"--user-data-dir={folder / 'profile'}", probe.as_uri()],
        capture_output=True,
        timeout=300,
        check=True,
    )
    said = re.search(r'<pre id="said">(.*?)</pre>', done.stdout.decode(), re.DOTALL)
    return json.loads(escaping.unescape(said[1]))


def dark(page):
    """The page as somebody with a dark screen sees it."""
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    assert "@media (prefers-color-scheme: dark)" in page
    return page.replace("@media (prefers-color-scheme: dark)", "@media all")


@pytest.fixture
def seen(chromium, tmp_path, world):
    with_log(world, [decision(NOW, shadow=["x"], who="key:7", rule="budget") for _ in range(60)])
    world.put("a.parquet", rows(1, 500, at=NOW, shift=8))
    monitor = world.open()
    monitor.tick()
    monitor.troubles["tables"] = "the disk is full"
    app = App(monitor)
    paths = ("/", "/models/loans", "/alerts", "/audit", "/nothing")
    pages = [app.page(path, {}).body for path in paths]
    wanted = [(page, 1280) for page in pages]
    wanted += [(page, 390) for page in pages]
    wanted += [(dark(page), 1280) for page in pages]
    return looked_at(chromium, tmp_path, wanted)


def test_pages_can_be_read_and_reached(seen):
    assert len(seen) == 15
    for page in seen:
        pale = [
            (item["text"], round(item["ratio"], 2))
            for item in page["texts"]
            if item["ratio"] < (3.0 if item["large"] else 4.5)
        ]
        assert pale == [], "text has a contrast of 4.5, large text of 3"
        assert len(page["texts"]) > 5
        first = page["reached"][0]
        assert first["name"] == "Skip to the content", "the first stop leads past the menu"
        assert all(item["name"] for item in page["reached"]), "every stop has a name"
        assert all(item["focused"] and item["outlined"] for item in page["reached"])
        assert {item["tabindex"] for item in page["reached"]} == {0}, "stops in reading order"
        steps = [b - a for a, b in zip(page["headings"], page["headings"][1:], strict=False)]
        assert page["headings"].count(1) == 1
        assert page["headings"][0] == 1
        assert all(step <= 1 for step in steps), "no level of headings is left out"
        assert page["lang"] == "en"
        assert page["unnamed"] == 0, "every drawing says in words what it shows"
        assert page["scrolling"] == 0, "what scrolls is reached by the keyboard"
        assert page["landmarks"] == ["main", "nav", "header", "footer"]
