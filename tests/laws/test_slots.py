"""A field of a slotted class has no value on the class: reading it there gives a descriptor."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "hauberk"


def slotted(tree: ast.Module) -> dict[str, set[str]]:
    """Fields of each class that a decorator gives slots, by the name of the class."""
    found = {}
    for item in ast.walk(tree):
        if isinstance(item, ast.ClassDef) and any(
            "slots=True" in ast.unparse(decorator) for decorator in item.decorator_list
        ):
            found[item.name] = {
                line.target.id
                for line in item.body
                if isinstance(line, ast.AnnAssign)
                and isinstance(line.target, ast.Name)
                and "ClassVar" not in ast.unparse(line.annotation)
            }
    return found


def descriptors(text: str) -> list[str]:
    """Places where a field of a slotted class is read from the class."""
    tree = ast.parse(text)
    fields = slotted(tree)
    return [
        f"line {item.lineno}: {ast.unparse(item)}"
        for item in ast.walk(tree)
        if isinstance(item, ast.Attribute)
        and isinstance(item.value, ast.Name)
        and item.attr in fields.get(item.value.id, ())
    ]


def test_a_field_read_from_its_class_is_found() -> None:
    text = "@dataclass(slots=True)\nclass A:\n    x: int = 1\n    y: ClassVar[int] = 2\n"
    assert descriptors(text + "A.x, A.y, A().x\n") == ["line 5: A.x"]


def test_no_field_of_a_slotted_class_is_read_from_the_class() -> None:
    found = {
        str(path.relative_to(SOURCE)): places
        for path in sorted(SOURCE.rglob("*.py"))
        if (places := descriptors(path.read_text("utf-8")))
    }
    assert not found
