"""Generated pages are current; run ``python scripts/generate_docs.py`` when this fails."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "generate_docs.py"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_committed_pages_are_current(generator):
    stale = [path.name for path, text in generator.pages() if not generator.is_current(path, text)]
    assert stale == [], "run: python scripts/generate_docs.py"


def test_no_page_is_left_over(generator):
    generated = {path for path, _ in generator.pages()}
    folders = (generator.PAGES, generator.CONTROLS)
    assert {path for folder in folders for path in folder.rglob("*.md")} == generated


def test_a_docstring_is_cut_at_its_sections(generator):
    text = "What.\n\nMore.\n\nLimits:\n    None.\n\nArgs:\n    a: First\n        goes on.\n    b: Second."
    sections = generator.docstring_sections(text)
    assert sections[""] == "What.\n\nMore."
    assert sections["Limits"] == "None."
    assert generator.docstring_entries(sections["Args"]) == {"a": "First goes on.", "b": "Second."}
