"""Five programs that show a log: careless ones, and how to tell whether a payload acted.

A page is shown by a real browser; the other viewers are judged by what would act in them.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hauberk.attacks.log.inject_lines import CANARY
from hauberk.errors import UnavailableError
from hauberk.methods.sinks import CONTROL, FORMULA_MARKS, INVISIBLE

_TIMEOUT_S = 180
_LOOKUP = re.compile(r"[$#%]\{|\{\{|<%|\$\(|`|; DROP|' OR |\| ?(?:delete|outputlookup)")
_LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(")


def file_acts(text: str, n_records: int) -> bool:
    """A file of one record a line: more lines than records, raw signs, lookups of collectors."""
    lines = text.splitlines()
    return (
        len(lines) != n_records
        or CONTROL.search(text.replace("\n", "")) is not None
        or INVISIBLE.search(text) is not None
        or _LOOKUP.search(text) is not None
    )


def csv_acts(text: str, n_rows: int) -> bool:
    """A spreadsheet: a cell that is a formula, or another number of rows or columns."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error:
        return True
    widths = {len(row) for row in rows}
    formula = any(cell[:1] in FORMULA_MARKS and len(cell) > 1 for row in rows for cell in row)
    return len(rows) != n_rows or len(widths) != 1 or formula


def terminal_acts(text: str) -> bool:
    """A terminal: escapes, other controls, directions, or a second line."""
    return CONTROL.search(text) is not None or INVISIBLE.search(text) is not None or "\n" in text


def sarif_acts(text: str, n_results: int) -> bool:
    """A reader of SARIF: no JSON, other results, links in a message, or raw signs."""
    try:
        results = json.loads(text)["runs"][0]["results"]
    except (ValueError, KeyError, IndexError, TypeError):
        return True
    messages = [result["message"]["text"] for result in results]
    return len(results) != n_results or any(
        terminal_acts(message) or _LINK.search(message) for message in messages
    )


def pages_that_act(pages: Sequence[str]) -> frozenset[int]:
    """Numbers of the payloads whose script ran when a browser showed the pages.

    Raises:
        UnavailableError: There is no Chromium.
    """
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        raise UnavailableError("a page is judged in Chromium", hint="install chromium")
    found: set[int] = set()
    with tempfile.TemporaryDirectory() as folder:
        for number, page in enumerate(pages):
            path = Path(folder) / f"{number}.html"
            path.write_text(page, "utf-8", errors="replace")
            found |= _hits(_shown(browser, path, Path(folder) / "profile"))
    return frozenset(found)


def _hits(dom: str) -> set[int]:
    root = dom[: dom.find(">") + 1] if dom.lstrip().startswith("<html") else dom
    match = re.search(r"<html[^>]*>", root)
    return {int(n) for n in re.findall(rf"{CANARY}(\d+)=", match[0])} if match else set()


def _shown(browser: str, path: Path, profile: Path) -> str:
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--virtual-time-budget=3000",
        "--dump-dom",
        path.as_uri(),
    ]
    try:
        run = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError("Chromium did not show the page", found=str(error)[:80]) from error
    if not run.stdout.strip():
        raise UnavailableError("Chromium did not show the page", found=run.stderr.decode()[-200:])
    return run.stdout.decode("utf-8", "replace")
