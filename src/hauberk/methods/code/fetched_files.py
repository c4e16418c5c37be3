"""What came in from outside and is then run or loaded: files by their path, models by their name.

A path counts as foreign from the call that writes a request's file or a download to it; whoever
runs that path runs what somebody else wrote, by whatever way of running.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hauberk.methods.code.flow import names_in, parts_of, texts
from hauberk.methods.code.python_index import UNKNOWN, Index, last_name
from hauberk.methods.code.rules import Hit, rule
from hauberk.methods.code.visitors import is_visitors
from hauberk.methods.expressions import expression

FETCHED = rule(
    "code-execution/fetched-file",
    "high",
    "runs what a request or a download has brought or named",
    "Run nothing that comes in; take data, and read it with a parser.",
    "CWE-494",
)
RUNS_PATH = rule(
    "code-execution/run-path",
    "medium",
    "runs a file as a program whose path is put together when it runs",
    "Name the module (runpy.run_module), or keep plug-ins in packages.",
    "CWE-470",
    review=True,
)
CALLED = rule(
    "code-execution/called-by-request",
    "high",
    "calls whatever function a request names",
    "Map the names that you allow to functions.",
    "CWE-470",
)
FILLED = rule(
    "code-execution/format-by-request",
    "high",
    "fills in a text of a request, which may ask for anything that hangs on the values",
    "Keep the text in the program, and pass what visitors say as values.",
    "CWE-134",
)
CHOSEN = rule(
    "unpinned-models/chosen-by-request",
    "high",
    "lets whoever sends a request choose which model or data set is fetched and loaded",
    "Look the name up in a table of models with their commits, and refuse others.",
    "CWE-829",
)

_WRITERS = frozenset({"write_bytes", "write_text"})
_DOWNLOADERS = frozenset(
    {"urlretrieve", "download", "download_file", "download_fileobj", "download_to_filename"}
    | {"fget_object", "get_file", "download_url", "download_url_to_file", "copyfileobj"}
)
_ANSWERS = frozenset({"hf_hub_download", "snapshot_download", "cached_download", "retrieve"})
_CONTENT = expression(
    r"\.content\b|\.text\b|\brequests?\.|\bhttpx\.|urlopen\(|\.files\b|\.read\(\)|iter_content|"
    r"\bresponse\b|\breply\b|\bupload\w*\b|UploadFile"
)
_UPLOADS = expression(r"\.files\b|upload|\battachment|\.file\b|FileStorage")
_INTERPRETERS = expression(r"(?:^|/)(?:python[\d.]*|bash|sh|zsh|perl|node|Rscript)$")
_RUNNERS = frozenset(
    {
        "papermill.execute_notebook",
        "mlflow.projects.run",
        "mlflow.run",
        "torch.utils.cpp_extension.load",
    }
    | {"sys.path.insert", "sys.path.append", "site.addsitedir", "numpy.ctypeslib.load_library"}
    | {"runpy.run_path", "importlib.util.spec_from_file_location", "imp.load_source"}
    | {"importlib.machinery.SourceFileLoader", "execfile"}
    | {"pandas.read_hdf", "pandas.HDFStore"}  # Both unpickle columns of objects.
)
_STARTERS = frozenset(
    {"subprocess.run", "subprocess.call", "subprocess.Popen", "subprocess.check_call"}
    | {"subprocess.check_output", "os.system", "os.popen", "os.execv", "os.execvp", "os.startfile"}
    | {"asyncio.create_subprocess_exec"}
)
_COMMIT = expression(r"[0-9a-f]{40}")
_LOADERS = frozenset(
    {"from_pretrained", "pipeline", "hf_hub_download", "snapshot_download", "load_dataset"}
    | {"SentenceTransformer", "CrossEncoder", "from_hub", "create_model", "cached_file"}
    | {"load_adapter", "load_lora_weights", "model_download", "dataset_download", "LLM"}
    | {"from_single_file", "load_dataset_builder", "AutoModel", "from_quantized"}
)
_REGISTRIES = expression(
    r"(?:torch\.hub|mlflow\.\w+|bentoml\.\w+|tensorflow_hub)\.(?:load|load_model)$|^hub\.load$"
)
_NAMES = frozenset({"model", "repo_id", "path", "name", "pretrained_model_name_or_path", "repo_or_dir", "model_uri", "model_name_or_path", "handle"})  # fmt: skip


def fetched_hits(index: Index) -> Iterator[Hit]:
    """Hits of one module."""
    foreign: dict[ast.AST, set[str]] | None = None
    for call, name, written in index.named_calls:
        yield from _by_request(index, call, name, written)
        if written in _LOADERS or _REGISTRIES.search(name):
            yield from _chosen(index, call, name or written)
        run = _run(index, call, name)
        if run is None:
            continue
        foreign = _foreign_paths(index) if foreign is None else foreign
        if _is_foreign(index, run, foreign) or is_visitors(index, run):
            yield Hit(FETCHED, call.lineno, f"{name or written}({texts(run)[:40]})")
        elif name == "runpy.run_path" and _is_open(index, run) and not _is_respawn(index, call):
            yield Hit(RUNS_PATH, call.lineno, texts(call)[:60])


_SPACES = frozenset({"globals", "locals", "vars"})


def _by_request(index: Index, call: ast.Call, name: str, written: str) -> Iterator[Hit]:
    """``getattr(tools, request.json["name"])()``, ``globals()[name]()``, ``text.format(model=m)``."""
    func = call.func
    if isinstance(func, ast.Call) and last_name(func.func) == "getattr" and len(func.args) > 1:
        if is_visitors(index, func.args[1]):
            yield Hit(CALLED, call.lineno, texts(func)[:60])
    elif isinstance(func, ast.Subscript) and (
        (isinstance(func.value, ast.Call) and last_name(func.value.func) in _SPACES)
        or last_name(func.value) == "__dict__"
    ):
        if is_visitors(index, func.slice):
            yield Hit(CALLED, call.lineno, texts(func)[:60])
    elif written == "format" and isinstance(func, ast.Attribute) and (call.args or call.keywords):
        if not isinstance(func.value, (ast.Constant, ast.JoinedStr)) and is_visitors(
            index, func.value
        ):
            yield Hit(FILLED, call.lineno, texts(call)[:60])


def _chosen(index: Index, call: ast.Call, name: str) -> Iterator[Hit]:
    given = [*call.args[:2], *(k.value for k in call.keywords if k.arg in _NAMES)]
    if any(is_visitors(index, node) for node in given):
        yield Hit(CHOSEN, call.lineno, name[:60])


# Running -------------------------------------------------------------------------------


def _run(index: Index, call: ast.Call, name: str) -> ast.expr | None:
    """The file that a call runs, by an expression of its path."""
    if name in _RUNNERS:
        if name == "sys.path.insert" or name.endswith(("path.append", "addsitedir")):
            return call.args[-1] if call.args else None
        place = 1 if name in _SECOND else 0
        if len(call.args) > place:
            return call.args[place]
        known = (
            index.keyword_node(call, key) for key in ("location", "sources", "uri", "input_path")
        )
        return next((node for node in known if isinstance(node, ast.expr)), None)
    if name in {"exec", "builtins.exec"} and call.args:
        return _read_from(index, call.args[0])
    if name in _STARTERS and call.args:
        return _started(index, call.args[0])
    return None


def _read_from(index: Index, node: ast.expr, depth: int = 0) -> ast.expr | None:
    """``open(path).read()``, ``path.read_text()``, through names and ``compile``."""
    if isinstance(node, ast.Name) and depth < 3:
        values = index.lookup(node)[-1:]
        return _read_from(index, values[0], depth + 1) if values else None
    for part in parts_of(node):
        if isinstance(part, ast.Call) and last_name(part.func) == "open":
            return part.args[0] if part.args else part.func
        if isinstance(part, ast.Call) and last_name(part.func) in {"read_text", "read_bytes"}:
            return part.func.value if isinstance(part.func, ast.Attribute) else None
        if isinstance(part, ast.Call) and last_name(part.func) == "compile" and part.args:
            return _read_from(index, part.args[0], depth + 1) if depth < 3 else None
    return None


def _started(index: Index, node: ast.expr) -> ast.expr | None:
    """The program of a command line, or the script behind an interpreter."""
    value = next(iter(index.lookup(node)[-1:]), node) if isinstance(node, ast.Name) else node
    if isinstance(value, (ast.List, ast.Tuple)) and value.elts:
        first = index.constant(value.elts[0])
        is_interpreter = texts(value.elts[0]) == "sys.executable" or (
            isinstance(first, str) and _INTERPRETERS.search(first) is not None
        )
        scripts = [part for part in value.elts[1:] if not str(index.constant(part)).startswith("-")]
        return (scripts[0] if scripts else None) if is_interpreter else value.elts[0]
    return value if isinstance(value, (ast.JoinedStr, ast.BinOp)) else None


def _is_open(index: Index, node: ast.expr) -> bool:
    """Whether a path is put together of what the module does not write."""
    text = texts(node) + " ".join(
        texts(value)[:200]
        for part in parts_of(node)
        if isinstance(part, ast.Name)
        for value in index.lookup(part)[-1:]
    )
    return index.constant(node) is UNKNOWN and "__file__" not in text and not index.text_of(node)


_SECOND = frozenset(
    {"importlib.util.spec_from_file_location", "imp.load_source"}
    | {"importlib.machinery.SourceFileLoader", "torch.utils.cpp_extension.load"}
)
"""Runners that take a name first."""

# Paths ---------------------------------------------------------------------------------


def _foreign_paths(index: Index) -> dict[ast.AST, set[str]]:
    """Names of paths to which something foreign was written, by the function in which it was."""
    found: dict[ast.AST, set[str]] = {}
    for call in index.calls:
        place = _written_to(index, call)
        if place is not None:
            found.setdefault(index.function_of(call), set()).update(_places(index, place))
    for node in index.each(ast.Assign):
        value = node.value
        if isinstance(value, ast.Call) and _is_answer(index, value):
            held = found.setdefault(index.function_of(node), set())
            held |= {texts(target) for target in node.targets if isinstance(target, ast.Name)}
            held |= {
                texts(part)
                for target in node.targets
                if isinstance(target, ast.Tuple)
                for part in target.elts[:1]
            }
    for call in index.calls if found else ():
        if last_name(call.func) in {"extractall", "unpack_archive", "extract"}:
            _unpacked(index, call, found)
    return found


def _is_answer(index: Index, call: ast.Call) -> bool:
    """Whether a call gives the place of something fetched that can change behind its name."""
    if last_name(call.func) == "urlretrieve":
        return True
    fixed = index.keyword(call, "revision")
    is_fixed = isinstance(fixed, str) and _COMMIT.fullmatch(fixed) is not None
    return last_name(call.func) in _ANSWERS and not is_fixed and fixed is not UNKNOWN


def _is_respawn(index: Index, call: ast.Call) -> bool:
    """Whether a child process runs its parent's main program again, as multiprocessing does."""
    name = index.keyword(call, "run_name")
    return isinstance(name, str) and name.startswith("__mp_")


def _places(index: Index, node: ast.expr) -> set[str]:
    """Names and written paths in an expression of a path."""
    names = {part.id for part in parts_of(node) if isinstance(part, ast.Name)}
    names |= {texts(part) for part in parts_of(node) if isinstance(part, ast.Attribute)}
    paths = {
        f"path {part.value}"
        for part in parts_of(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and "/" in part.value
    }
    known = index.constant(node)
    paths |= {f"path {known}"} if isinstance(known, str) and "/" in known else set()
    return (names | paths) - _COMMON


def _unpacked(index: Index, call: ast.Call, found: dict[ast.AST, set[str]]) -> None:
    """The folder into which a foreign archive is unpacked is foreign too."""
    held = found.setdefault(index.function_of(call), set())
    archive = call.args[0] if last_name(call.func) == "unpack_archive" and call.args else call.func
    around = [
        archive,
        *(v for p in parts_of(archive) if isinstance(p, ast.Name) for v in index.lookup(p)[-1:]),
    ]
    around += [
        item.context_expr
        for holder in index.ancestors(call)
        if isinstance(holder, ast.With)
        for item in holder.items
    ]
    if any(_places(index, node) & held for node in around):
        given = call.args[-1:] + [
            k.value for k in call.keywords if k.arg in {"path", "extract_dir"}
        ]
        for node in given:
            held |= _places(index, node)


def _written_to(index: Index, call: ast.Call) -> ast.expr | None:
    """Where a call puts what came from a request or a download."""
    name = last_name(call.func)
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if name == "save" and call.args and owner is not None:
        return call.args[0] if _UPLOADS.search(_told(index, owner)) else None
    if name in _WRITERS and owner is not None and call.args:
        return owner if _CONTENT.search(_told(index, call.args[0])) else None
    if name == "write" and owner is not None and call.args:
        if not _CONTENT.search(_told(index, call.args[0])):
            return None
        return _opened(index, owner)
    if name in _DOWNLOADERS and call.args:
        last = call.args[-1] if len(call.args) > 1 else call.args[0]
        return (_opened(index, last) or last) if name == "copyfileobj" else last
    return None


def _opened(index: Index, node: ast.expr) -> ast.expr | None:
    """The path of a file that was opened, by the name that it got."""
    value = next(iter(index.lookup(node)[-1:]), node) if isinstance(node, ast.Name) else node
    if not isinstance(value, ast.Call) or last_name(value.func) != "open":
        return None
    if isinstance(value.func, ast.Attribute):
        return value.func.value
    return value.args[0] if value.args else None


def _told(index: Index, node: ast.expr) -> str:
    """An expression with what its names were bound to."""
    values = [
        texts(value)[:300]
        for part in parts_of(node)
        if isinstance(part, ast.Name)
        for value in index.lookup(part)[-2:]
    ]
    return " ".join([texts(node), *values])


def _is_foreign(index: Index, run: ast.expr, foreign: dict[ast.AST, set[str]]) -> bool:
    held = foreign.get(index.function_of(run), set()) | foreign.get(index.tree, set())
    if any(isinstance(part, ast.Call) and _is_answer(index, part) for part in parts_of(run)):
        return True
    reached = _places(index, run)
    for part in parts_of(run):
        if isinstance(part, ast.Name):
            for value in index.lookup(part)[-1:]:
                reached |= names_in(value) if len(parts_of(value)) < _SHORT else set()
    return bool(held & (reached - _COMMON))


_COMMON = frozenset({"Path", "str", "os", "sys", "self", "tempfile", "os.path", "sys.executable"})
_SHORT = 12
"""Parts of an expression up to which it only says a path."""
