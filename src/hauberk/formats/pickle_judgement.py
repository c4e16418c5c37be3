"""What an event of a pickle means: ordinary, unknown, evasive or dangerous.

The judgement is by exact name and by the shape of the arguments that honest writers give.
It never asks what a name would do on this machine, so that the same bytes get the same
answer everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

from hauberk.formats.late_patterns import late
from hauberk.formats.pickle_events import Built, Called, Imported, Oddity, PickleEvent, Received
from hauberk.formats.pickle_policy import Home, Known, Standing, known
from hauberk.formats.pickle_values import (
    Call,
    Global,
    Group,
    Long,
    Opaque,
    Persistent,
    arguments,
    describe,
    printable,
    walk,
)


class Grade(IntEnum):
    """How bad an event is, mildest first."""

    UNKNOWN = 1
    EVASIVE = 2
    CODE = 3
    DANGEROUS = 4


class Remark(NamedTuple):
    """One thing worth telling.

    Attributes:
        about: What it is about; the worst remark about a thing stands for all.
        text: What loading would do, decoded.
        offset: First byte of what does it; negative where the format has no such place.
        node: The opcode that does it, or the operator or layer of a graph.
    """

    grade: Grade
    about: str
    text: str
    offset: int
    node: str = ""


def judge(event: PickleEvent) -> Iterator[Remark]:
    """Remarks about one event; none where it is ordinary."""
    if isinstance(event, Imported):
        yield from _by("GLOBAL", _imported(event.target))
    elif isinstance(event, Called):
        yield from _by(event.call.opcode, _called(event.call))
    elif isinstance(event, Built):
        yield from _by("BUILD", _built(event))
    elif isinstance(event, Received):
        yield from _by(event.opcode, _received(event))
    elif isinstance(event, Oddity):
        yield Remark(Grade.EVASIVE, event.reason, event.reason, event.offset)


def _by(opcode: str, remarks: Iterator[Remark]) -> Iterator[Remark]:
    return (remark._replace(node=opcode) for remark in remarks)


# Imports


def _imported(name: Global) -> Iterator[Remark]:
    found = known(name)
    shown = printable(name.path)
    if found.standing is Standing.DANGEROUS:
        text = f"imports {shown}, which {found.reason}"
        yield Remark(Grade.DANGEROUS, name.path, text, name.offset)
    elif found.standing is Standing.CODE:
        text = f"imports {shown}: the file carries compiled code"
        yield Remark(Grade.CODE, name.path, text, name.offset)
    elif found.standing is Standing.UNKNOWN:
        text = f"imports {shown}, which is not on the reviewed list"
        yield Remark(Grade.UNKNOWN, name.path, text, name.offset)


# Calls

_MAKES = frozenset({"NEWOBJ", "NEWOBJ_EX"})
_REBUILDS = late(
    r"_+(re)?(construct|build|make|new|restore|unpickle)\w*|\w*(unpickl|reconstruct|rebuild)\w*"
    r"|\w*_ctor|newObj"
)


def _called(call: Call) -> Iterator[Remark]:
    if not isinstance(call.callee, Global):
        yield from _computed_call(call)
        return
    name, found = call.callee, known(call.callee)
    if found.standing is Standing.DANGEROUS:
        yield Remark(Grade.DANGEROUS, name.path, f"calls {describe(call)}", call.offset)
    elif found.standing is Standing.CODE:
        text = f"builds a function from compiled code: {describe(call)}"
        yield Remark(Grade.CODE, name.path, text, call.offset)
    elif found.standing is Standing.UNKNOWN:
        yield from _unknown_call(call, name, found)
    else:
        yield from _listed_call(call, name, found)


def _computed_call(call: Call) -> Iterator[Remark]:
    callee = call.callee
    if not isinstance(callee, Persistent | Opaque | Call) or _is_new(callee):
        return  # a constant cannot be called: loading stops here
    shown = describe(call)
    text = f"calls what another call returned: {shown}"
    yield Remark(Grade.DANGEROUS, shown, text, call.offset)


def _is_new(callee: Any) -> bool:
    """Whether this is ``partial(cls.__new__, cls, ...)``, as protocols 2 and 3 write it."""
    args = arguments(callee) if isinstance(callee, Call) else None
    if not args or describe(callee.callee) != "functools.partial":
        return False
    new = args[0]
    # The import of the class has been judged; made without its constructor it does nothing.
    return (
        isinstance(new, Global)
        and known(new).standing in {Standing.LISTED, Standing.UNKNOWN}
        and new.name.endswith(".__new__")
    )


def _unknown_call(call: Call, name: Global, found: Known) -> Iterator[Remark]:
    """A call of a name that is on no list.

    Honest files of the standard library and of the reviewed libraries call classes and a
    few functions that rebuild objects; any other function of theirs is a gadget until
    somebody has looked at it.
    """
    last = name.name.rpartition(".")[2]
    is_class = last.lstrip("_")[:1].isupper() or call.opcode in _MAKES
    is_ours = found.home is not Home.FOREIGN
    gadget = is_ours and not is_class and not _REBUILDS().fullmatch(last)
    if gadget or has_payload(call) or _is_handed_text(call, last, found.home):
        yield Remark(Grade.DANGEROUS, name.path, f"calls {describe(call)}", call.offset)
    else:
        text = f"calls {describe(call)}, which is not on the reviewed list"
        yield Remark(Grade.UNKNOWN, name.path, text, call.offset)


_OUTSIDE = late(
    r"[a-z][a-z0-9+.-]*://|^[~.]{0,2}/[\w.]|^[A-Za-z]:\\|\\\\\w|[\w)]\(|[;|&`$]|\.(py|sh|so|pkl|dll)$",
    re.IGNORECASE,
)
"""Text that leads out of the file: an address, a path, a call, a command."""

_ACTS = late(
    r"(un)?loads?|un_?pickle|get_file|fetch\w*|load_\w+|open\w*|run\w*|\w*(exec|eval|compile|spawn|shell|command|download"
    r"|import|subprocess|upload)\w*|(read|write|save|connect|clone|launch|send|request|install|delete|remove"
    r"|instantiate|submit|deploy|invoke)(_\w+)?|init|start|im(read|write)|sql|query|savefig|get_method",
    re.IGNORECASE,
)
"""Names of functions that do what no honest file asks for."""

_IS_ERROR = late(r"\w*(Error|Exception|Warning|Interrupt|Exit|Stop\w+)")


def _is_handed_text(call: Call, last: str, home: Home) -> bool:
    """Whether a constructor or function that nobody reviewed gets text that leads outside.

    No class of the standard library that takes text is called by an honest file, unless it
    stands on the list or is an error.
    """
    if call.opcode in _MAKES or _IS_ERROR().fullmatch(last):
        return False
    texts = [text for text in map(_text, (arguments(call) or [])[:_MAX_TEXTS]) if text]
    if home is Home.STANDARD and not _REBUILDS().fullmatch(last):
        return bool(texts)
    acts = home is Home.FOREIGN and _ACTS().fullmatch(last)
    # Bytes are numbers more often than text, and hold any of these characters by chance.
    words = [item for item in (arguments(call) or [])[:_MAX_TEXTS] if isinstance(item, str)]
    return bool(acts) or any(_OUTSIDE().search(word[:_MAX_TEXT_CHARS]) for word in words)


def _getattr(call: Call, args: list[Any]) -> Iterator[Remark]:
    """Looking up an attribute is how methods are written; what it leads to is what matters.

    Attributes of globals are judged as names of their own, see `Imported`.
    """
    attribute = args[1] if len(args) > 1 else None
    is_hidden = not isinstance(attribute, str) or attribute.startswith("__")
    if is_hidden and not (args and isinstance(args[0], Global) and isinstance(attribute, str)):
        text = f"looks up {describe(call)}"
        yield Remark(Grade.DANGEROUS, f"getattr {attribute}", text, call.offset)


_PAYLOAD = late(
    r"\b(import |__import__|eval\(|exec\(|os\.|subprocess|system\(|popen|lambda |compile\(|open\()"
    r"|/bin/|/dev/tcp|/etc/(passwd|shadow)|\b(curl|wget|bash|powershell|cmd\.exe|nc|ncat|chmod)\s"
    r"|\brm -|\btouch |>\s*/|\bpython3? -c",
    re.IGNORECASE,
)


_MAX_TEXTS = 32
_MAX_TEXT_CHARS = 512


def has_payload(call: Call) -> bool:
    """Whether text among the direct arguments reads like a command or like source code."""
    values = (arguments(call) or [])[:_MAX_TEXTS]
    inner = [item for value in values if isinstance(value, Group) for item in value.items]
    texts = map(_text, [*values, *inner[:_MAX_TEXTS]])
    return any(_reads_like_payload(text[:_MAX_TEXT_CHARS]) for text in texts if text)


@lru_cache(maxsize=1 << 14)
def _reads_like_payload(text: str) -> bool:
    return _PAYLOAD().search(text) is not None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Long):
        value = value.head
    return value.decode("latin-1") if isinstance(value, bytes) else ""


def _listed_call(call: Call, name: Global, found: Known) -> Iterator[Remark]:
    args = arguments(call)
    if args is None and not (isinstance(call.args, Group) and call.args.kind == "tuple"):
        text = f"calls {name.path} with arguments that are computed while loading"
        yield Remark(Grade.EVASIVE, name.path, text, call.offset)
        return
    needed = "n" if call.opcode in _MAKES else "c"
    if needed not in found.uses:
        yield from _unusual_use(call, name, found)
    elif (shape := _SHAPES.get(name.path)) and not shape(args or []):
        text = f"calls {describe(call)}, with arguments that no honest writer gives"
        yield Remark(Grade.EVASIVE, name.path, text, call.offset)
    elif name.path == "builtins.getattr":
        yield from _getattr(call, args or [])
    elif name.path in _APPLIERS and args:
        yield from _applied(call, args)


def _unusual_use(call: Call, name: Global, found: Known) -> Iterator[Remark]:
    """A listed name that honest writers refer to, or make otherwise, is called."""
    last = name.name.rpartition(".")[2]
    is_class = last.lstrip("_")[:1].isupper()
    is_handed = has_payload(call) or _is_handed_text(call, last, found.home)
    is_bad = found.home is Home.STANDARD or not is_class or is_handed
    grade = Grade.DANGEROUS if is_bad else Grade.UNKNOWN
    text = f"calls {describe(call)}, which honest files do not call"
    yield Remark(grade, name.path, text, call.offset)


def _applied(call: Call, args: list[Any]) -> Iterator[Remark]:
    """A listed function that calls its first argument with its third."""
    inner_args = args[2] if len(args) > 2 else Group("tuple")  # noqa: PLR2004
    yield from _called(Call("REDUCE", args[0], inner_args, call.offset))


def _generator(args: list[Any]) -> bool:
    """Numpy calls the second argument with the first."""
    return all(isinstance(item, Global) and item.module.startswith("numpy.") for item in args[1:])


def _empty_masked(args: list[Any]) -> bool:
    return len(args) > 2 and isinstance(args[2], Group) and args[2].items in ([0], [])  # noqa: PLR2004


_APPLIERS = frozenset({"torch._tensor._rebuild_from_type_v2"})


# Shapes of arguments


def _is_class(value: Any) -> bool:
    return isinstance(value, Global)


_BASES = frozenset(
    f"builtins.{name}"
    for name in (
        *("object", "list", "dict", "set", "frozenset", "tuple", "int", "float", "complex"),
        *("str", "bytes", "bytearray"),
    )
)
_TEXTS = frozenset({"builtins.str", "builtins.bytes"})
"""Text that is made by a call is a name in disguise: honest writers write it down."""

_MAX_COUNT = 1 << 28
"""An argument that asks for more items than this is there to fill the memory."""


def _reconstructor(args: list[Any]) -> bool:
    is_shaped = len(args) == 3 and _is_class(args[0]) and _is_class(args[1])  # noqa: PLR2004
    return is_shaped and args[1].path in _BASES and args[0].path not in _TEXTS


def _newobj(args: list[Any]) -> bool:
    return bool(args) and _is_class(args[0]) and args[0].path not in _TEXTS


def _is_small(args: list[Any]) -> bool:
    return not any(isinstance(item, int) and abs(item) > _MAX_COUNT for item in args) and not any(
        isinstance(item, Call) and describe(item.callee) == "builtins.range" for item in args
    )


def _latin1(args: list[Any]) -> bool:
    return len(args) > 1 and args[1] in {"latin1", "latin-1"} and isinstance(args[0], str | Long)


def _empty_array(args: list[Any]) -> bool:
    """Numpy makes an empty array first; its data comes with the state."""
    if len(args) != 3 or not _is_class(args[0]) or not isinstance(args[1], Group):  # noqa: PLR2004
        return False
    return args[1].items in ([0], [])


def _data_or_array(args: list[Any]) -> bool:
    return bool(args) and isinstance(args[0], bytes | Long | str | Call | Opaque | Global)


def _class_and_fields(args: list[Any]) -> bool:
    is_index = bool(args) and _is_class(args[0]) and args[0].module.startswith("pandas")
    return is_index and len(args) > 1 and isinstance(args[1], Group)


def _bytes_only(args: list[Any]) -> bool:
    """Bytes, also as protocol 2 writes long ones: as text that is encoded while loading."""
    if len(args) != 1:
        return False
    is_encoded = isinstance(args[0], Call) and describe(args[0].callee) == "_codecs.encode"
    return is_encoded or isinstance(args[0], bytes | Long)


def _text_only(args: list[Any]) -> bool:
    return all(isinstance(item, str) for item in args)


def _known_function(args: list[Any]) -> bool:
    return bool(args) and isinstance(args[0], Global)


_MAX_PATTERN = 10_000


def _short_pattern(args: list[Any]) -> bool:
    is_text = bool(args) and isinstance(args[0], str | bytes)
    return is_text and len(args[0]) <= _MAX_PATTERN


_SHAPES: dict[str, Callable[[list[Any]], bool]] = {
    "copyreg._reconstructor": _reconstructor,
    "copyreg.__newobj__": _newobj,
    "copyreg.__newobj_ex__": _newobj,
    "_codecs.encode": _latin1,
    "re._compile": _short_pattern,
    "logging.getLogger": _text_only,
    "functools.partial": _known_function,
    "torch.storage._load_from_bytes": _bytes_only,
    "dill._dill._create_array": _known_function,
    "numpy.random._pickle.__generator_ctor": _generator,
    "numpy.random._pickle.__randomstate_ctor": _generator,
    "numpy.ma.core._mareconstruct": _empty_masked,
    "pandas.core.indexes.base._new_Index": _class_and_fields,
    **dict.fromkeys(
        (
            f"builtins.{name}"
            for name in ("list", "tuple", "set", "frozenset", "bytes", "bytearray")
        ),
        _is_small,
    ),
    "numpy.core._internal._reconstruct": _empty_array,
    "pyarrow.lib.type_for_alias": _text_only,
    "pyarrow.lib.py_buffer": _data_or_array,
    **dict.fromkeys(
        (f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")), _empty_array
    ),
    **dict.fromkeys(
        (f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")), _data_or_array
    ),
}


# States and items

_HOOKS = frozenset(
    {"__setstate__", "__reduce__", "__reduce_ex__", "__class__", "__getattr__", "__del__"}
    | {"__getattribute__", "__call__", "__init__", "__new__", "__globals__", "__code__"}
)
_NAMES = r"[\w, ]*"
_TEMPLATE = late(
    rf"\s*def _parse_args\(self, {_NAMES} loc=0(, scale=1)?\):"
    rf"\s+return \({_NAMES}\), loc, (scale|1)"
    rf"\s+def _parse_args_rvs\(self, {_NAMES} loc=0(, scale=1)?, size=None\):"
    rf"\s+return self\._argcheck_rvs\({_NAMES} loc, (scale|1), size=size\)"
    rf"\s+def _parse_args_stats\(self, {_NAMES} loc=0(, scale=1)?, moments='mv'\):"
    rf"\s+return \({_NAMES}\), loc, (scale|1), moments\s*"
)


def _built(event: Built) -> Iterator[Remark]:
    target, state = event.target, event.state
    if isinstance(target, Global):
        text = f"changes {printable(target.path)} itself, in the whole process"
        yield Remark(Grade.DANGEROUS, target.path, text, event.offset)
    for part in _dictionaries(state):
        yield from _state_remarks(part, event.offset)
    if isinstance(state, Call) and (hooks := _HOOKS & _texts_in(state)):
        text = f"sets {', '.join(sorted(hooks))} of an object by way of a call"
        yield Remark(Grade.EVASIVE, text, text, event.offset)
    if _is_of(_EVALUATING, target) and not _is_plain_state(state):
        text = f"hides the state of a {_made_class(target).path}, which may hold source code"
        yield Remark(Grade.EVASIVE, text, text, event.offset)


def _texts_in(value: Any) -> set[str]:
    return {item for item in walk(value, limit=1000) if isinstance(item, str)}


def _state_remarks(part: Group, offset: int) -> Iterator[Remark]:
    keys = part.items[::2]
    if hooks := _HOOKS & {key for key in keys if isinstance(key, str)}:
        text = f"sets {', '.join(sorted(hooks))} of an object, which changes what it does"
        yield Remark(Grade.EVASIVE, text, text, offset)
    template = part.get("_parse_arg_template")
    # scipy.stats runs this text as source code when a distribution is loaded.
    if template is not None and not _is_template(template):
        text = f"gives scipy.stats source code to run: {describe(template)}"
        yield Remark(Grade.DANGEROUS, text, text, offset)
    if "restore_design_info" in keys:
        yield from _formula_remarks(part.get("formula"), offset)


def _formula_remarks(formula: Any, offset: int) -> Iterator[Remark]:
    """Statsmodels evaluates the formula as soon as this key stands beside it."""
    from hauberk.formats.formula_text import Formula, read_formula

    found = read_formula(formula) if isinstance(formula, str) else Formula.PROGRAM
    if found is not Formula.PLAIN:
        grade = Grade.DANGEROUS if found is Formula.PROGRAM else Grade.UNKNOWN
        text = f"has statsmodels evaluate a formula that {found.value}: {describe(formula)}"
        yield Remark(grade, text, text, offset)


_EVALUATING = ("scipy.stats", "statsmodels.base.data")
"""Modules whose classes turn text in their state into code."""


def _is_of(modules: tuple[str, ...], target: Any) -> bool:
    if not isinstance(target, Call) or not isinstance(target.callee, Global):
        return False
    return _made_class(target).module.startswith(modules)


def _is_plain_state(state: Any) -> bool:
    """Whether every attribute that is set can be read off the pickle."""
    if not isinstance(state, Group) or state.kind != "dict" or state.count != len(state.items):
        return state is None
    return all(isinstance(key, str) for key in state.items[::2])


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and _TEMPLATE().fullmatch(value) is not None


def _dictionaries(state: Any) -> Iterator[Group]:
    parts = state.items if isinstance(state, Group) and state.kind == "tuple" else [state]
    yield from (part for part in parts if isinstance(part, Group) and part.kind == "dict")


def _received(event: Received) -> Iterator[Remark]:
    target = event.target
    if isinstance(target, Global):
        text = f"puts items into {printable(target.path)} itself, in the whole process"
        yield Remark(Grade.DANGEROUS, target.path, text, event.offset)
    elif isinstance(target, Call) and isinstance(target.callee, Global):
        made = _made_class(target)
        found = known(made)
        if found.standing is Standing.LISTED and "k" not in found.uses:
            text = f"puts items into a {printable(made.path)}, which is no container"
            yield Remark(Grade.UNKNOWN, text, text, event.offset)


def _made_class(call: Call) -> Global:
    """The class of what a call makes, also where ``copyreg`` makes it."""
    args = arguments(call)
    is_made = call.callee.module == "copyreg" and args and isinstance(args[0], Global)
    made: Global = args[0] if is_made and args else call.callee
    return made
