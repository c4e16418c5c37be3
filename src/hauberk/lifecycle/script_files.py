"""Which files a script reads and writes, and what it predicts, as far as its text says.

Names are followed through constants, ``pathlib``, ``os.path.join`` and the defaults of
``argparse``; nothing of the script is imported or run. What is put together while it runs
(a path from a settings file, a loop over a folder) is not seen.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hauberk.methods.code.python_index import MAX_DEPTH, Index, index_of, last_name

MAX_SCRIPT_BYTES = 1 << 20

_PATH = re.compile(r"[\w./ +=-]*\w\.[A-Za-z0-9]{2,11}")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READERS = _words(
    """read_csv read_table read_parquet read_feather read_json read_excel read_pickle read_orc
    read_ipc read_ndjson read_avro scan_csv scan_parquet scan_ipc scan_ndjson load loadtxt
    genfromtxt fromfile memmap read_text read_bytes load_model from_file load_from_disk
    DMatrix Dataset"""
)
_WRITERS = _words(
    """to_csv to_parquet to_feather to_json to_pickle to_excel to_orc write_csv write_parquet
    write_ipc write_ndjson sink_csv sink_parquet sink_ipc dump save savez savez_compressed
    savetxt tofile save_model save_file write_text write_bytes export serialize_to_file
    write_table write_feather convert_model_to_file"""
)
_OPENERS = frozenset({"open", "gzip.open", "bz2.open", "lzma.open", "io.open", "codecs.open"})
_JOINS = frozenset({"os.path.join", "posixpath.join", "path.join"})
_PATHS = frozenset({"pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "Path"})
_SAME = frozenset({"resolve", "absolute", "expanduser", "as_posix", "str", "fspath", "joinpath"})
_TARGETS = re.compile(r"(?i)(y|ys|target|targets|label|labels)(_?(train|test|valid|val|all))?")
_TARGET_NAMES = re.compile(r"(?i)(target|label|y)(_?(col|column|name|field|variable))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script with the files that it names.

    Attributes:
        path: Its own path, relative to the project.
        reads: Files that it reads, in the order of its lines.
        writes: Files that it writes.
        others: Strings that look like paths and that no call was seen to read or write.
        target: The column that it predicts, where an assignment says so.
        trains: Whether it fits a model and keeps it.
        logs_model: Whether the model is handed to an experiment tracker, not written to a path.
    """

    path: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    target: str | None = None
    trains: bool = False
    logs_model: bool = False


def read_script(root: Path, path: str) -> Script:
    """What the script at ``root / path`` says of files; nothing where it does not parse."""
    try:
        text = (root / path).read_bytes()[:MAX_SCRIPT_BYTES].decode("utf-8")
        tree = ast.parse(text)
        return _Reading(root=root, path=path, index=index_of(tree)).script()
    except (SyntaxError, ValueError, OSError, RecursionError):
        return Script(path=path)


@dataclass(slots=True)
class _Reading:
    root: Path
    path: str
    index: Index

    def script(self) -> Script:
        reads: dict[str, None] = {}
        writes: dict[str, None] = {}
        for call in self.index.calls:
            for found, into in ((self._read(call), reads), (self._written(call), writes)):
                into.update(dict.fromkeys(found))
        named = [self._relative(text) for text in self._strings()]
        calls = {last_name(call.func) for call in self.index.calls}
        logs = "log_model" in calls or "autolog" in calls
        keeps = bool({"dump", "save", "save_model", "export", "save_file"} & calls)
        learns = bool({"fit", "fit_transform", "train", "partial_fit", "backward"} & calls)
        return Script(
            path=self.path,
            reads=tuple(name for name in reads if name not in writes),
            writes=tuple(writes),
            others=tuple(
                dict.fromkeys(n for n in named if n and n not in reads and n not in writes)
            ),
            target=self._target(),
            trains=learns and (logs or keeps),
            logs_model=learns and logs,
        )

    # Calls -----------------------------------------------------------------------------

    def _read(self, call: ast.Call) -> Iterator[str]:
        name = last_name(call.func)
        if self._opens(call):
            if not self._opened_to_write(call):
                yield from self._given(call, receiver=True)
        elif name in _READERS:
            yield from self._given(call, receiver=name.startswith("read_"))

    def _written(self, call: ast.Call) -> Iterator[str]:
        name = last_name(call.func)
        if self._opens(call):
            if self._opened_to_write(call):
                yield from self._given(call, receiver=True)
        elif name in _WRITERS:
            yield from self._given(call, receiver=name.startswith("write_"))

    def _opens(self, call: ast.Call) -> bool:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "open":
            return True
        return self.index.dotted(call.func) in _OPENERS

    def _opened_to_write(self, call: ast.Call) -> bool:
        is_method = self._of_path(call) is not None
        places = call.args[0:1] if is_method else call.args[1:2]
        modes = [*places, *(k.value for k in call.keywords if k.arg == "mode")]
        return any(
            isinstance(mode := self.index.constant(node), str) and bool(set("wax+") & set(mode))
            for node in modes
        )

    def _of_path(self, call: ast.Call) -> str | None:
        """The path whose method is called."""
        return self.path_of(call.func.value) if isinstance(call.func, ast.Attribute) else None

    def _given(self, call: ast.Call, *, receiver: bool) -> Iterator[str]:
        """Paths among the arguments of a call, and the one whose method it is."""
        own = self._of_path(call) if receiver else None
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        for text in (own, *map(self.path_of, given)):
            if text and _PATH.fullmatch(text) and (name := self._relative(text)):
                yield name

    # Paths -----------------------------------------------------------------------------

    def path_of(self, node: ast.AST, depth: int = 0) -> str | None:
        """The path that an expression stands for, as it is written."""
        text = self.index.constant(node)
        if isinstance(text, str) or depth > MAX_DEPTH:
            return text if isinstance(text, str) else None
        if isinstance(node, ast.Name):
            return self._of_name(node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return self._joined([node.left, node.right], depth)
        if isinstance(node, ast.Call):
            return self._of_call(node, depth)
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            return self._of_attribute(node, depth)
        return None

    def _of_name(self, node: ast.Name, depth: int) -> str | None:
        if node.id == "__file__":
            return self.path
        values = self.index.reaching(node)
        return self.path_of(values[-1], depth + 1) if len(values) == 1 else None

    def _of_call(self, node: ast.Call, depth: int) -> str | None:
        name = last_name(node.func)
        dotted = self.index.dotted(node.func)
        if dotted in _JOINS or dotted in _PATHS:
            return self._joined(node.args, depth)
        if dotted.endswith("os.path.dirname") and node.args:
            held = self.path_of(node.args[0], depth + 1)
            return posixpath.dirname(held) if held is not None else None
        if name in _SAME and isinstance(node.func, ast.Attribute):
            return self._joined([node.func.value, *node.args], depth)
        if name in ("str", "abspath", "realpath", "fspath") and node.args:
            return self.path_of(node.args[0], depth + 1)
        return None

    def _of_attribute(self, node: ast.Attribute | ast.Subscript, depth: int) -> str | None:
        if isinstance(node, ast.Subscript):  # Path(__file__).parents[1]
            number = self.index.constant(node.slice)
            if not isinstance(node.value, ast.Attribute) or node.value.attr != "parents":
                return None
            held = self.path_of(node.value.value, depth + 1)
            ups = number + 1 if isinstance(number, int) and 0 <= number < MAX_DEPTH else 0
            for _ in range(ups):
                held = posixpath.dirname(held) if held is not None else None
            return held if ups else None
        if node.attr == "parent":
            held = self.path_of(node.value, depth + 1)
            return posixpath.dirname(held) if held is not None else None
        return self._default(node.attr)

    def _joined(self, nodes: list[ast.expr], depth: int) -> str | None:
        parts = [self.path_of(node, depth + 1) for node in nodes]
        whole = [part for part in parts if part is not None]
        return posixpath.join(*whole) if whole and len(whole) == len(parts) else None

    def _default(self, name: str) -> str | None:
        """What ``args.name`` is where nobody gives ``--name``."""
        for call in self.index.calls:
            if last_name(call.func) not in ("add_argument", "option"):
                continue
            flags = [self.index.constant(arg) for arg in call.args]
            plain = {flag.lstrip("-").replace("-", "_") for flag in flags if isinstance(flag, str)}
            given = self.index.keyword(call, "default")
            if name in plain and isinstance(given, str):
                return given
        return None

    def _strings(self) -> Iterator[str]:
        for node in self.index.each(ast.Constant):
            if isinstance(node.value, str) and _PATH.fullmatch(node.value):
                yield node.value

    def _relative(self, text: str) -> str:
        """A path as seen from the project; empty where it leads out of it."""
        root = self.root.resolve().as_posix()
        if posixpath.isabs(text):
            if not text.startswith(f"{root}/"):
                return ""
            text = posixpath.relpath(text, root)
        plain = posixpath.normpath(text)
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(self.path), text))
        if not (self.root / plain).exists() and (self.root / beside).is_file():
            plain = beside  # the script is run from its own folder
        return "" if plain.startswith("..") else plain

    # The label -------------------------------------------------------------------------

    def _target(self) -> str | None:
        """The column that ``y = table["column"]`` and its kin take as what is predicted."""
        votes: Counter[str] = Counter()
        for (_, name), values in self.index.bound.items():
            for value in values:
                if _TARGET_NAMES.fullmatch(name) and isinstance(value, ast.Constant):
                    votes[_text(value.value)] += 3
                if _TARGETS.fullmatch(name):
                    votes[_text(self._column(value))] += 2
        for call in self.index.calls:
            votes.update(map(_text, self._dropped(call)))
        votes.pop("", None)
        return min(votes, key=lambda name: (-votes[name], name)) if votes else None

    def _column(self, node: ast.AST) -> object:
        """The one column that an expression takes out of a table."""
        while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "pop" and node.args:
                return self.index.constant(node.args[0])
            node = node.func.value  # .to_numpy(), .astype(int), .map({...})
        if isinstance(node, ast.Attribute) and node.attr in ("values", "array", "T"):
            return self._column(node.value)
        if not isinstance(node, ast.Subscript):
            return None
        inner = node.slice
        if isinstance(inner, ast.List) and len(inner.elts) == 1:
            inner = inner.elts[0]
        if isinstance(inner, ast.Tuple) and len(inner.elts) == 2:  # noqa: PLR2004 - .loc[:, name]
            inner = inner.elts[1]
        return self.index.constant(inner)

    def _dropped(self, call: ast.Call) -> Iterator[object]:
        """The only column that is dropped to get the features, and what ``fit`` learns."""
        name = last_name(call.func)
        if name == "drop":
            given = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "columns")]
            for node in given:
                single = node.elts if isinstance(node, ast.List) else [node]
                if len(single) == 1:
                    yield self.index.constant(single[0])
        elif name == "fit":
            for node in call.args[1:2]:
                yield self._column(node)


def _text(value: object) -> str:
    return value if isinstance(value, str) and 0 < len(value) <= 100 and "\n" not in value else ""  # noqa: PLR2004 - a name
