"""What rendering a chat template could do: judged on its tree, never rendered.

Chat templates need names, attributes of messages, loops, a dozen filters and string methods.
The ways out of Jinja, and out of its sandbox, are attributes: a walk over ``__class__`` or
``__globals__``, spelt out, computed, or hidden in a format string or a filter's argument
(CVE-2024-34359 of llama-cpp-python, CVE-2024-56326 and CVE-2025-27516 of Jinja). A template
can also change what a model does: a branch on words of the user, planted instructions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from hauberk.errors import ArtifactError
from hauberk.formats.planted_text import LEADS, judge_text
from hauberk.formats.remarks import Grade, Remark, evasive
from hauberk.formats.template_syntax import Node, parse

MAX_RANGE = 1_000_000
"""Steps of one loop over numbers; templates count messages."""

MAX_STEPS = 100_000_000
"""Steps of loops inside of each other."""

_DUNDER = re.compile(r"__\w*[A-Za-z]\w*__")
_REACHED = frozenset(
    """
    f_globals func_globals f_builtins f_locals gi_frame gi_code cr_frame cr_code ag_frame
    ag_code tb_frame co_code func_code im_func im_self mro builtins popen
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
_OBJECTS = frozenset({"self", "cycler", "joiner", "lipsum", "config", "request", "url_for", "g"})
_NAMED_ATTRIBUTE = frozenset(
    {"map", "selectattr", "rejectattr", "groupby", "sort", "sum", "unique", "min", "max"}
)
_FILTERS = frozenset(
    """
    abs batch capitalize center count d default dictsort e escape filesizeformat first float
    forceescape format groupby indent int items join last length list lower map max min pprint
    random reject rejectattr replace reverse round safe select selectattr slice sort string
    striptags sum title tojson trim truncate unique upper urlencode urlize wordcount wordwrap
    xmlattr from_json fromjson
    """.split()  # noqa: SIM905
)
_COMPUTES = frozenset({"join", "replace", "reverse", "format", "upper", "lower", "trim", "string"})
_FORMAT_WALK = re.compile(r"\{[^{}]*[.\[][^{}]*_[^{}]*\}")
_WORDS = re.compile(r"[A-Za-z]{2,}")
_CONTENTS = frozenset({"content", "text", "query", "prompt", "user_message", "input"})
_FEW_WORDS = 2


def judge_template(text: str) -> Iterator[Remark]:
    """Remarks about one template; none where it is ordinary."""
    try:
        tree = parse(text)
    except ArtifactError as error:
        yield evasive(error.message)
        return
    seen: set[str] = set()
    names = _constants(tree)
    if _steps(tree) > MAX_STEPS:
        yield evasive(f"a template may loop more than {MAX_STEPS} times")
    for node in tree.walk():
        judge = _JUDGES.get(node.kind)
        for remark in judge(node, names) if judge else ():
            if remark.about not in seen:
                seen.add(remark.about)
                yield remark
    # Honest templates ask the model to keep quiet about how tools are called, and name no pages.
    for said in judge_text(_text_of(tree)):
        if said.grade > Grade.UNKNOWN or said.about == LEADS:
            yield said._replace(grade=Grade.EVASIVE)


def _steps(node: Node) -> int:
    """Steps of loops over plain numbers, those of loops inside of each other multiplied."""
    own = 1
    if node.kind == "for":
        counted = (_sizes(part) for child in node.children for part in child.walk())
        own = max((abs(size) for sizes in counted for size in sizes), default=1) or 1
    return min(own * max(map(_steps, node.body), default=1), MAX_STEPS + 1)


def _sizes(node: Node) -> list[int]:
    """The numbers that a call of ``range`` is given."""
    is_range = node.kind == "call" and node.children[0].value == "range"
    plain = node.children[1:] if is_range else ()
    return [part.value for part in plain if type(part.value) is int]


_Names = Mapping[str, object]
"""Names that a template sets to one constant, which an index may be put together from."""


def _constants(tree: Node) -> dict[str, object]:
    found: dict[str, object] = {}
    for node in tree.walk():
        is_plain = node.kind == "set" and len(node.children) == 2 and not node.body  # noqa: PLR2004
        target = node.children[0].only() if is_plain else node
        if is_plain and target.kind == "name":
            made = node.children[1]
            found[str(target.value)] = _meaning(made, found)
        elif node.kind == "for" and len(node.children) > 1:
            _note_loop(node, found)
    return found


def _meaning(made: Node, names: _Names) -> object:
    if _asks_clock(made, names):
        return _CLOCK
    return _WRITTEN if _is_content(made, names) else _folded(made, names)


def _note_loop(node: Node, found: dict[str, object]) -> None:
    """The name of a loop over plain words stands for each of them."""
    target, items = node.children[0].only(), _folded(node.children[1], found)
    if target.kind == "name" and isinstance(items, list):
        found[str(target.value)] = items


_CLOCK = object()
"""Stands for a name that is set from the day or the hour."""

_WRITTEN = object()
"""Stands for a name that is set to what somebody wrote."""


def _asks_clock(node: Node, names: Mapping[str, object]) -> bool:
    return any(
        part.kind == "name"
        and (part.value == "strftime_now" or names.get(str(part.value)) is _CLOCK)
        for part in node.walk()
    )


def _danger(what: str, node: Node) -> Remark:
    return Remark(Grade.DANGEROUS, what, f"renders a template that {what} (line {node.line})", 0)


def _doubt(what: str) -> Remark:
    return Remark(Grade.UNKNOWN, what, f"renders a template that {what}", 0)


# Attributes


def _is_reached(name: object) -> bool:
    return isinstance(name, str) and (
        bool(_DUNDER.search(name)) or name in _REACHED or (name[:1] == "_" and len(name) > 1)
    )


def _attribute(node: Node, _names: _Names) -> Iterator[Remark]:
    if _is_reached(node.value):
        yield _danger(f"walks to the attribute {node.value!r}", node)
    owner = node.children[0]
    if owner.kind == "name" and owner.value in _OBJECTS:
        yield _danger(f"reaches into {owner.value!r}, an object of Jinja", node)


def _subscript(node: Node, names: _Names) -> Iterator[Remark]:
    index = node.children[1]
    if index.kind == "slice":
        return
    for part in index.children:
        folded = _folded(part, names)
        if _is_reached(folded) and _DUNDER.search(str(folded)):
            yield _danger(f"walks to the item {folded!r}", node)
        elif part.kind in _BUILDERS and _builds_text(part, names):
            yield _danger("computes the name of an attribute", node)


def _builds_text(node: Node, names: _Names) -> bool:
    """Whether an expression makes a string out of pieces, as nobody does to name a key."""
    if node.kind == "binary" and node.value == "~":
        return True
    if node.kind == "binary" and node.value in {"+", "%", "*"}:
        return any(isinstance(_folded(part, names), str) for part in node.children)
    if node.kind == "subscript":  # a piece of a string, perhaps backwards
        return isinstance(_folded(node.children[0], names), str)
    return node.kind == "filter" and node.value in {"join", "reverse", "format", "replace"}


_BUILDERS = frozenset({"binary", "filter", "call", "subscript"})


def _folded(node: Node, names: _Names) -> object:
    """The constant that an expression comes to, where that is plain to see."""
    if node.kind == "constant":
        return node.value
    if node.kind == "name":
        value = names.get(str(node.value))
        return None if value is _CLOCK or value is _WRITTEN else value
    if node.kind == "list" and node.children:
        parts = [_folded(part, names) for part in node.children]
        return parts if all(isinstance(part, str) for part in parts) else None
    if node.kind == "binary" and node.value in {"+", "~"}:
        left, right = (_folded(part, names) for part in node.children)
        return _short(str(left) + str(right)) if left is not None and right is not None else None
    if node.kind == "filter":
        return _filtered(node, names)
    return None


def _short(text: str) -> str | None:
    """A folded string, unless doubling it again and again has made it long."""
    return text if len(text) <= _MAX_FOLDED else None


_MAX_FOLDED = 1_000


def _filtered(node: Node, names: _Names) -> object:
    value = _folded(node.children[0], names)
    if node.value == "join" and isinstance(value, list):
        mark = _folded(node.children[1], names) if len(node.children) > 1 else ""
        return _short(str(mark or "").join(value))
    if node.value == "reverse" and isinstance(value, str):
        return value[::-1]
    if node.value in {"lower", "trim", "string"} and isinstance(value, str):
        return value.lower() if node.value == "lower" else value.strip()
    return None


# Calls, filters, names


def _call(node: Node, names: _Names) -> Iterator[Remark]:
    callee = node.children[0]
    if callee.kind == "attribute" and callee.value in {"format", "format_map"}:
        yield from _format(node, callee, names)
    if callee.kind == "attribute" and callee.value == "replace":
        yield from _swap(callee.children[0], tuple(node.children[1:]), names)
    if callee.kind == "name" and callee.value == "range":
        sizes = [part.value for part in node.children[1:] if isinstance(part.value, int)]
        if any(abs(size) > MAX_RANGE for size in sizes):
            yield evasive(f"a template loops more than {MAX_RANGE} times")


def _format(node: Node, callee: Node, names: _Names) -> Iterator[Remark]:
    pattern = _folded(callee.children[0], names)
    if callee.value == "format_map":
        yield _danger("formats a string by a map", node)
    elif isinstance(pattern, str) and (_FORMAT_WALK.search(pattern) or "__" in pattern):
        yield _danger(f"walks through attributes in the format string {pattern[:60]!r}", node)
    elif not isinstance(pattern, str):
        yield _doubt("formats a string that is not written in it")


def _filter(node: Node, names: _Names) -> Iterator[Remark]:
    name = str(node.value)
    if name == "attr":
        yield _danger("looks up an attribute with the filter attr", node)
    elif name not in _FILTERS:
        yield _doubt(f"uses the filter {name[:40]!r}, which is not one of Jinja's")
    if name in _NAMED_ATTRIBUTE:
        yield from _attribute_arguments(node, names)
    if name == "replace":
        yield from _swap(node.children[0], tuple(node.children[1:]), names)


def _attribute_arguments(node: Node, names: _Names) -> Iterator[Remark]:
    for part in node.children[1:]:
        value = _folded(part.children[0] if part.kind == "keyword" else part, names)
        words = str(value).split(".") if isinstance(value, str) else []
        if any(_is_reached(word) for word in words):
            yield _danger(f"walks to the attribute {value!r} in a filter", node)
        elif node.value == "map" and value == "attr":
            yield _danger("looks up attributes with the filter attr", node)


def _constant(node: Node, _names: _Names) -> Iterator[Remark]:
    if isinstance(node.value, str) and _SPELT.search(node.value):
        yield _danger(f"spells {node.value[:60]!r}", node)


_SPELT = re.compile(
    r"__(class|globals|builtins|import|subclasses|mro|base|bases|init|getattribute|dict|code"
    r"|reduce|reduce_ex|loader)__"
)


def _name(node: Node, _names: _Names) -> Iterator[Remark]:
    if _is_reached(node.value) and _DUNDER.search(str(node.value)):
        yield _danger(f"uses the name {node.value!r}", node)


def _binary(node: Node, names: _Names) -> Iterator[Remark]:
    folded = _folded(node, names) if node.value in {"+", "~"} else None
    if isinstance(folded, str) and _DUNDER.search(folded) and node.children:
        yield _danger(f"puts {folded[:60]!r} together", node)
    sizes = [part.value for part in node.children if type(part.value) is int]
    if node.value in {"*", "**"} and any(size > MAX_RANGE for size in sizes):
        yield evasive("a template multiplies into something huge")
    elif node.value == "**" and len(sizes) == 2 and sizes[0].bit_length() * sizes[1] > _MAX_BITS:  # noqa: PLR2004
        yield evasive("a template raises a number to something huge")


_MAX_BITS = 20


def _keyword(node: Node, _names: _Names) -> Iterator[Remark]:
    if _DUNDER.search(str(node.value)):
        yield _danger(f"uses the name {node.value!r}", node)


def _import(node: Node, _names: _Names) -> Iterator[Remark]:
    yield _danger(f"loads another template ({node.value})", node)


# Branches on what the user writes


def _if(node: Node, names: _Names) -> Iterator[Remark]:
    for test in node.children[0].walk():
        if test.kind == "binary" and test.value in _ORDERS and _asks_clock(test, names):
            yield evasive("a template does something else from a certain day on")
            return
        trigger = _trigger(test, names)
        added = _added_words(node.body[0]) if trigger else 0
        if added:
            text = f"a template adds text of its own when a message holds {trigger[:60]!r}"
            # One word alone may be a mark of the format.
            yield evasive(text) if added >= _FEW_WORDS else _doubt(text.removeprefix("a template "))
            return


_ORDERS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in", "not in"})


def _swap(node: Node, arguments: tuple[Node, ...], names: _Names) -> Iterator[Remark]:
    """Marks in what somebody wrote are taken out or changed; a word for a word is a lie."""
    if len(arguments) < 2 or not _is_content(node, names):  # noqa: PLR2004 - what and by what
        return
    old, new = (_folded(part, names) for part in arguments[:2])
    if isinstance(old, str) and isinstance(new, str) and old != new:
        are_words = all(_WORD.search(_MARKUP.sub(" ", text)) for text in (old, new))
        if are_words and _PLAIN.fullmatch(old):
            yield evasive(
                f"a template replaces {old[:60]!r} by {new[:60]!r} in what somebody wrote"
            )


_WORD = re.compile(r"[^\W\d_]{3,}|://")
_PLAIN = re.compile(r"[\w ,.'!?-]{3,200}")


def _trigger(node: Node, names: _Names) -> str:
    """Words that a test looks for in what somebody wrote; marks of formats are none."""
    needle, hay = _sought(node, names)
    if needle is None or hay is None or not _is_content(hay, names):
        return ""
    folded = _folded(needle, names)
    for text in folded if isinstance(folded, list) else [folded]:
        if isinstance(text, str) and _PLAIN.fullmatch(text) and text not in _MODALITIES:
            return text
    return ""


def _sought(node: Node, names: _Names) -> tuple[Node | None, Node | None]:
    """What a test looks for, and in what."""
    if node.kind == "binary" and node.value in {"in", "=="}:
        left, right = node.children
        is_turned = node.value == "==" or _is_content(left, names)
        return (right, left) if is_turned else (left, right)
    if node.kind == "call" and node.children[0].kind == "attribute" and len(node.children) > 1:
        callee = node.children[0]
        if callee.value in {"startswith", "endswith", "find", "count"}:
            return node.children[1], callee.children[0]
    return None, None


def _is_content(node: Node, names: _Names) -> bool:
    """Whether an expression is what somebody wrote, perhaps in small letters or stripped."""
    while node.kind == "filter" or (node.kind == "call" and node.children[0].kind == "attribute"):
        inner = node.children[0]
        node = inner.children[0] if node.kind == "call" else inner
    if node.kind == "subscript":
        return any(part.value in _CONTENTS for part in node.children[1].children)
    if node.kind == "name" and names.get(str(node.value)) is _WRITTEN:
        return True
    return node.kind in {"attribute", "name"} and node.value in _CONTENTS


_MODALITIES = frozenset({"image", "video", "audio", "text", "image_url", "video_url", "type"})
_MARKUP = re.compile(r"<[^<>]{1,80}>|\[/?[A-Z_]{2,20}\]")


def _added_words(branch: Node) -> int:
    """How many words, no marks of the format, a statement of a branch prints or sets at most."""
    texts = (" ".join(_printed(node)) for node in branch.body)
    return max((len(_WORDS.findall(_MARKUP.sub(" ", text))) for text in texts), default=0)


def _printed(node: Node) -> Iterator[str]:
    """Text that a statement prints or keeps, and not what its tests compare with."""
    if node.kind == "text":
        yield str(node.value)
    elif node.kind in {"output", "set"}:
        for child in node.children:
            if child.kind == "call" and child.children[0].value == "raise_exception":
                return
            yield from (
                str(part.value)
                for part in child.walk()
                if part.kind == "constant" and isinstance(part.value, str)
            )
        yield from (text for inner in node.body for text in _printed(inner))


def _text_of(node: Node) -> str:
    """All text that a template could print."""
    return "\n".join(
        str(part.value)
        for part in node.walk()
        if part.kind in {"text", "constant"} and isinstance(part.value, str)
    )


_JUDGES: dict[str, Callable[[Node, _Names], Iterator[Remark]]] = {
    "keyword": _keyword,
    "attribute": _attribute,
    "subscript": _subscript,
    "call": _call,
    "filter": _filter,
    "constant": _constant,
    "name": _name,
    "binary": _binary,
    "import": _import,
    "if": _if,
}
