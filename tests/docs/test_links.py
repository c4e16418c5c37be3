import re
from pathlib import Path

import pytest

from hauberk.cli import VERBS

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT)
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("changelog.d/*.md"))
)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_relative_link_of_a_page_leads_to_a_file(page: Path):
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text("utf-8"), flags=re.DOTALL)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    lost = [
        link
        for link in links
        if link and "://" not in link and not (ROOT / page.parent / link).exists()
    ]
    assert lost == []


def test_the_readme_opens_with_the_two_commands():
    commands = re.findall(r"^make (\w+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert commands[:2] == ["demo", "test"]


def test_every_target_that_pages_name_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    texts = [(ROOT / page).read_text("utf-8") for page in PAGES]
    named = {
        name for text in texts for name in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)
    }
    assert named <= targets


def test_the_lock_names_no_index_and_every_package_has_a_hash():
    lock = (ROOT / "requirements" / "lock.txt").read_text("utf-8")
    assert "://" not in lock
    entries = [block for block in re.split(r"\n(?=[a-z])", lock) if "==" in block]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)


def test_every_verb_has_a_row_that_says_where_it_is_described():
    rows = re.findall(
        r"^\| (`[^|]+) \|", (ROOT / "docs/commands.md").read_text("utf-8"), re.MULTILINE
    )
    named = {words.split()[0] for row in rows for words in re.findall(r"`([^`]+)`", row)}
    assert named == set(VERBS)


def test_every_page_is_reached_from_the_index():
    reached, ahead = set(), [ROOT / "docs" / "index.md"]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        links = re.findall(r"\]\(([^)\s#]+)", page.read_text("utf-8"))
        pages = {(page.parent / link).resolve() for link in links if link.endswith(".md")}
        ahead += [each for each in pages - reached if each.is_file() and each not in ahead]
    pages = {page for page in ROOT.glob("docs/**/*.md") if page.parent.name != "decisions"}
    assert sorted(pages - reached) == []
