"""The page in a real browser: it loads nothing, fits a phone, and runs nothing from data."""

import html as escaping
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.report.example_record import assessments, example_record, findings, threats

from hauberk.report import ScanResult, html, scan_html

_FLAGS = (
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
)
_PROBE = """<!doctype html><body><pre id="said"></pre>
<iframe srcdoc="{page}" style="width:{width}px;height:900px;border:0"></iframe>
<script>
document.querySelector('iframe').addEventListener('load', (event) => {{
  const view = event.target.contentWindow, page = view.document;
  for (const part of page.querySelectorAll('details')) part.open = true;
  document.getElementById('said').textContent = JSON.stringify({{
    title: page.title,
    width: page.documentElement.scrollWidth,
    requests: view.performance.getEntriesByType('resource').map((entry) => entry.name),
    active: page.querySelectorAll('script,img,iframe,object,embed,link').length,
    styled: view.getComputedStyle(page.querySelector('main')).maxWidth !== 'none',
    rings: page.querySelectorAll('svg.drawing a').length,
    shown: [...page.querySelectorAll('svg.drawing')]
      .filter((one) => one.getClientRects().length).map((one) => one.classList[1]),
  }});
}});
</script>"""


@pytest.fixture(scope="module")
def chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("chromium is not installed, and CI demands it")
    if found is None:
        pytest.skip("chromium is not installed")
    return found


def _look(chromium: str, folder: Path, page: str, width: int) -> dict[str, Any]:
    """What the browser says of ``page`` in a window of ``width`` pixels, all details open."""
    probe = folder / "probe.html"
    probe.write_text(_PROBE.format(page=escaping.escape(page), width=width), "utf-8")
    command = [chromium, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [
            *command,
            "--virtual-time-budget=5000",
            f"--window-size={width + 40},1000",
            probe.as_uri(),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    said = re.search(r'<pre id="said">(.*?)</pre>', done.stdout.decode(), re.DOTALL)
    assert said is not None
    answer: dict[str, Any] = json.loads(escaping.unescape(said[1]))
    return answer


@pytest.mark.parametrize(("width", "drawing"), [(390, "narrow"), (1280, "wide")])
def test_the_page_of_a_run_fits_the_window_and_loads_nothing(
    chromium: str, tmp_path: Path, width: int, drawing: str
):
    answer = _look(chromium, tmp_path, html(example_record(), threats=threats()), width)
    assert answer == {
        "title": "loans <script>document.title='owned'</script>: Refused at validation",
        "width": width,
        "requests": [],
        "active": 0,
        "styled": True,
        "rings": 32,
        "shown": [drawing],
    }


def test_the_page_of_a_scan_fits_a_phone_and_loads_nothing(chromium: str, tmp_path: Path):
    result = ScanResult(findings=findings(), assessments=assessments())
    answer = _look(chromium, tmp_path, scan_html(result), 390)
    assert (answer["title"], answer["width"]) == ("4 findings", 390)
    assert (answer["requests"], answer["active"], answer["styled"]) == ([], 0, True)
