"""Calls that run text, start shells, fetch without checks or unpack without bounds."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from hauberk.methods.code.execution_rules import (
    ENTITIES,
    EVAL,
    HIDDEN,
    IMPORTS,
    IMPORTS_BY_VISITOR,
    IMPORTS_FILE,
    NATIVE,
    QUERY,
    QUERY_BY_VISITOR,
    SHELL,
    TEMPLATE,
    TEMPLATE_OUTSIDE,
)
from hauberk.methods.code.flow import parts_of, texts, whole_text
from hauberk.methods.code.python_fetching import (
    KEEPERS,
    fetches,
    module_text,
    unpacking_loops,
    unpacks,
    weak_habits,
)
from hauberk.methods.code.python_index import UNKNOWN, Index, last_name
from hauberk.methods.code.python_shells import (
    is_built,
    is_known,
    is_quoted,
    runs_line,
    starts_shell,
)
from hauberk.methods.code.python_switches import switched_off
from hauberk.methods.code.rules import Hit, Rule
from hauberk.methods.code.visitors import is_visitors
from hauberk.methods.expressions import expression

_SHELLS = frozenset(
    {"os.system", "os.popen", "os.popen2", "os.popen3", "commands.getoutput", "popen2.popen3"}
    | {"subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell"}
    | {"pexpect.run", "invoke.run", "fabric.api.run", "fabric.api.local"}
)
_PROCESSES = frozenset(
    {"subprocess.run", "subprocess.call", "subprocess.Popen", "subprocess.check_output"}
    | {"subprocess.check_call", "anyio.run_process"}
)
_DECODERS = frozenset(
    {"b64decode", "b32decode", "b85decode", "a85decode", "unhexlify", "fromhex", "decompress"}
    | {"decodebytes", "rot13", "urlopen", "urlsafe_b64decode"}
)
_FETCHES = frozenset({"requests.get", "httpx.get", "urllib.request.urlopen", "urllib2.urlopen"})
_RUNNERS = frozenset({"eval", "exec", "builtins.eval", "builtins.exec", "execfile"})
_QUERIES = frozenset(
    {"execute", "executemany", "executescript", "read_sql", "read_sql_query", "sql", "query"}
    | {"run"}  # of a session of graphs
    | {"exec_driver_sql", "read_gbq", "copy_expert", "from_query", "run_query", "execute_string"}
)
_SQL = expression(
    r"^\s*(?:(?:select|insert|update|delete|drop|create|with|merge|truncate)\b|"
    r"(?:optional\s+)?match\s*\(|unwind\s)",
    re.IGNORECASE,
)
_GRAPH = expression(r"(?i)^\s*(?:(?:optional\s+)?match\s*\(|unwind\s|merge\s*\(|create\s*\()")

_Reading = Callable[[Index, ast.Call, str], Rule | None]


def execution_hits(index: Index) -> Iterator[Hit]:
    """Hits of one module."""
    for call, name, written in index.named_calls:
        if not _may_execute(index, call, name, written):
            continue
        for reading in _READINGS:
            broken = reading(index, call, name)
            if broken is not None:
                yield Hit(broken, call.lineno, name or last_name(call.func))
                break
    yield from _handed_on(index)
    yield from switched_off(index)
    yield from unpacking_loops(index)


def _may_execute(index: Index, call: ast.Call, name: str, written: str) -> bool:
    """Whether any reading below can say something of a call: most calls are none of theirs."""
    last = name.rpartition(".")[2]
    return (
        last in _LAST_NAMES
        or written in _LAST_NAMES
        or last.startswith(_BEGINNINGS)
        or ((bool(call.keywords) or index.has_partials) and index.may_say(call, _ASKED_KEYWORDS))
    )


# Running text --------------------------------------------------------------------------


def _evaluates(index: Index, call: ast.Call, name: str) -> Rule | None:
    if name in {"pandas.eval", "numexpr.evaluate"}:
        return EVAL if call.args and is_built(index, call.args[0]) else None
    if _is_expression_of_stranger(call):
        return EVAL
    if name not in _RUNNERS or not call.args:
        return None
    if isinstance(call.func, ast.Name) and call.func.id == name and not index.is_builtin(call.func):
        return None  # A function of the module, or a parameter, that is only called so.
    given = call.args[0]
    if index.constant(given) is not UNKNOWN:
        return None
    if _decodes(index, given):
        return HIDDEN
    return None if _is_own_code(index, call, given) else EVAL


def _is_expression_of_stranger(call: ast.Call) -> bool:
    """``frame.eval`` and ``frame.query`` run what a request or an argument says."""
    if last_name(call.func) not in {"eval", "query"} or not isinstance(call.func, ast.Attribute):
        return False
    text = texts(call.args[0]) if call.args else ""
    return re.search(r"\brequest\b|sys\.argv|\binput\(|\bpayload\b", text) is not None


def _is_own_code(index: Index, call: ast.Call, given: ast.expr) -> bool:
    """Code of a syntax tree or of a file beside this one, as ``setup.py`` reads its version."""
    text = texts(given)
    if "__file__" in text or "version" in text.lower() or "getsource" in text:
        return True
    return isinstance(given, ast.Name) and any(
        "__file__" in (found := texts(value)) or "getsource" in found
        for value in index.lookup(given)
    )


def _decodes(index: Index, node: ast.expr) -> bool:
    """Whether the text is decoded or fetched on its way: through names, each value once."""
    waiting, seen = [node], {id(node)}
    for inner in waiting:  # It grows while it is gone through.
        for part in parts_of(inner):
            if isinstance(part, ast.Call):
                name = index.dotted(part.func)
                if last_name(part.func) in _DECODERS or name in _FETCHES:
                    return True
                if name.startswith("marshal.load"):
                    return True
            elif isinstance(part, ast.Name) and len(seen) < _MAX_VALUES:
                for value in index.lookup(part)[:4]:
                    if id(value) not in seen:
                        seen.add(id(value))
                        waiting.append(value)
    return False


_MAX_VALUES = 200
"""Values behind the names of one expression that are looked through."""


def _shells(index: Index, call: ast.Call, name: str) -> Rule | None:
    given = call.args[0] if call.args else index.keyword_node(call, "args")
    if runs_line(index, call, name):
        return SHELL
    if not isinstance(given, ast.expr):
        return None
    if name in _SHELLS or _is_notebook_shell(call) or _is_remote(index, call, given):
        return None if is_quoted(index, given) or is_known(index, given) else SHELL
    if name not in _PROCESSES:
        return None
    if index.keyword(call, "shell") in (True, 1):
        return None if is_quoted(index, given) or is_known(index, given) else SHELL
    return SHELL if starts_shell(index, given) else None


def _is_remote(index: Index, call: ast.Call, given: ast.expr) -> bool:
    """A line for the shell of another host, put together at run time."""
    return last_name(call.func) == "exec_command" and is_built(index, given)


def _replaces(index: Index, call: ast.Call, name: str) -> Rule | None:
    """``os.execvp("sh", ["sh", "-c", text])`` and its likes."""
    if not _REPLACERS.fullmatch(name):
        return None
    lists = [node for node in call.args if isinstance(node, (ast.List, ast.Tuple))]
    skipped = 0 if name.startswith("asyncio") else 1
    flat = ast.List(elts=[*call.args[skipped:]], ctx=ast.Load()) if not lists else lists[-1]
    return SHELL if starts_shell(index, flat) else None


_REPLACERS = expression(
    r"os\.(?:exec|spawn|posix_spawn)\w*|asyncio\.(?:subprocess\.)?create_subprocess_exec|pty\.spawn|trio\.run_process|anyio\.(?:run|open)_process"
)


def _interprets(index: Index, call: ast.Call, name: str) -> Rule | None:
    """Interpreters and algebra systems that evaluate what they are given."""
    if not call.args or index.constant(call.args[0]) is not UNKNOWN:
        return None
    if last_name(call.func) in {"runsource", "runcode"} and "Interpreter" in texts(call.func):
        return EVAL
    if name in _PROFILERS:
        return EVAL if _VISITOR.search(texts(call.args[0])) else None
    if name in {"sympy.sympify", "sympy.parse_expr", "sympy.parsing.sympy_parser.parse_expr"}:
        return EVAL if _VISITOR.search(texts(call.args[0])) else None
    return None


_PROFILERS = frozenset(
    {"cProfile.run", "cProfile.runctx", "profile.run", "pdb.run", "pdb.runeval", "timeit.timeit"}
    | {"timeit.repeat", "code.interact", "trace.Trace().run"}
)


def _handed_on(index: Index) -> Iterator[Hit]:
    """``eval`` given to ``apply``, ``map`` or a table of converters."""
    for node in index.each(ast.Name):
        if node.id not in {"eval", "exec"} or not index.is_builtin(node):
            continue
        parent = index.parents.get(node)
        is_argument = isinstance(parent, ast.Call) and node in parent.args
        is_entry = isinstance(parent, (ast.Dict, ast.keyword))
        if is_argument or is_entry:
            yield Hit(EVAL, node.lineno, f"hands on {node.id}")


def _is_notebook_shell(call: ast.Call) -> bool:
    return texts(call.func).endswith(("get_ipython().system", "get_ipython().getoutput"))


def _queries(index: Index, call: ast.Call, name: str) -> Rule | None:
    function = last_name(call.func)
    if function not in _QUERIES or not call.args:
        return None
    given = call.args[0]
    if isinstance(given, ast.Call) and last_name(given.func) == "text" and given.args:
        given = given.args[0]
    if not is_built(index, given):
        return None
    form = _GRAPH if function == "run" else _SQL
    if not form.match(index.text_of(given)):
        return None
    spread = texts(given)
    if isinstance(given, ast.Name):
        spread += " ".join(texts(value) for value in index.lookup(given))
    is_visitors = _VISITOR.search(spread) or any(
        _is_of_route(index, call, node)
        for node in ([given, *index.lookup(given)] if isinstance(given, ast.Name) else [given])
    )
    return QUERY_BY_VISITOR if is_visitors else QUERY


def _imports(index: Index, call: ast.Call, name: str) -> Rule | None:
    """Modules and scripts named by a request, an argument or a file."""
    if name not in _IMPORTERS:
        return None
    given = call.args[0] if call.args else None
    if given is None or index.constant(given) is not UNKNOWN:
        return None
    text = texts(given)
    if isinstance(given, ast.Name):
        text += " ".join(texts(value) for value in index.lookup(given))
    if index.text_of(given).rpartition(".")[0]:  # ``f"plugins.{name}"`` stays inside.
        return None
    if _REQUESTED.search(text) or _is_of_route(index, call, given):
        return IMPORTS_BY_VISITOR
    outside = re.search(
        r"request|argv|environ|getenv|input\(|payload|download|json\.load|cfg\[|config\[|conf\[",
        text,
    )
    return IMPORTS if outside else None


_REQUESTED = expression(r"\brequest\b|\bpayload\b|\bbody\b|\bevent\[|\bmessage\[|\binput\(")
_IMPORTERS = frozenset(
    {"importlib.import_module", "__import__", "runpy.run_path", "runpy.run_module", "pydoc.locate"}
    | {"pkgutil.resolve_name", "hydra.utils.get_class", "hydra.utils.get_method"}
    | {"hydra.utils.get_object", "hydra.utils.instantiate", "hydra.utils.call"}
    | {"django.utils.module_loading.import_string", "werkzeug.utils.import_string"}
)
_VISITOR = expression(r"\brequest\b|sys\.argv|\binput\(|\bpayload\b|\bbody\b")
_TEMPLATES = frozenset({"render_template_string", "from_string", "Template"})


def _templates(index: Index, call: ast.Call, name: str) -> Rule | None:
    """Templates whose text a visitor gives."""
    function = last_name(call.func)
    given = call.args[0] if call.args else index.keyword_node(call, "source")
    if function not in _TEMPLATES or not isinstance(given, ast.expr):
        return None
    if index.constant(given) is not UNKNOWN:
        return None
    if function == "Template" and not name.startswith(
        ("jinja2", "mako", "django", "tornado", "chameleon", "Cheetah", "genshi")
    ):
        return None
    text = texts(given)
    if isinstance(given, ast.Name):
        text += " ".join(texts(value) for value in index.lookup(given))
    if _VISITOR.search(text) or _is_of_route(index, call, given) or is_visitors(index, given):
        return TEMPLATE
    is_sandboxed = "Sandbox" in text or "Sandbox" in _made(index, call.func)
    is_kept = re.search(
        r"open\(|read_text|__file__|files\(|get_data|load_template|getsource|resources", text
    )
    is_foreign = index.constant(given) is UNKNOWN and isinstance(
        given, (ast.Name, ast.Subscript, ast.Attribute)
    )
    is_of_library = name.startswith(("jinja2", "mako")) or "jinja2" in _made(index, call.func)
    if (
        is_foreign
        and is_of_library
        and not is_sandboxed
        and not is_kept
        and not _is_spelled(index, given)
    ):
        return TEMPLATE_OUTSIDE
    return None


def _made(index: Index, func: ast.expr) -> str:
    """What the object of a method was made by."""
    owner = func.value if isinstance(func, ast.Attribute) else func
    values = index.lookup(owner) if isinstance(owner, ast.Name) else [owner]
    return " ".join(index.dotted(value.func) for value in values if isinstance(value, ast.Call))


def _is_spelled(index: Index, node: ast.expr) -> bool:
    """Whether a name, attribute or entry holds a text that the module writes."""
    if isinstance(node, ast.Attribute):
        values = index.attributes.get(node.attr, [])
    else:
        inner = node.value if isinstance(node, ast.Subscript) else node
        values = index.lookup(inner) if isinstance(inner, ast.Name) else []
    return bool(values) and all(
        bool(index.text_of(value)) or isinstance(value, (ast.Dict, ast.List)) for value in values
    )


_ROUTED = expression(r"\.(?:route|get|post|put|patch|delete|websocket|api_route)\(")


def _is_of_route(index: Index, call: ast.Call, given: ast.expr) -> bool:
    """Whether a value is a parameter of a function that answers requests."""
    function = index.function_of(call)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    if not any(_ROUTED.search(texts(item)) for item in function.decorator_list):
        return False
    own = {argument.arg for argument in [*function.args.args, *function.args.kwonlyargs]} - {
        "self",
        "db",
        "session",
    }
    return any(isinstance(part, ast.Name) and part.id in own for part in parts_of(given))


_LIBRARIES = frozenset(
    {"ctypes.CDLL", "ctypes.PyDLL", "ctypes.cdll.LoadLibrary", "ctypes.WinDLL", "cffi.FFI().dlopen"}
    | {"torch.ops.load_library", "torch.classes.load_library", "tensorflow.load_op_library"}
    | {"torch._inductor.aoti_load_package", "torch._export.aot_load"}
)
_LOADERS = frozenset({"load_extension", "register_custom_ops_library"})
_FOUND = expression(
    r"find_library|__file__|get_include|sysconfig|importlib\.resources|files\(|ext_suffix|LIB\w*_PATH"
)


def _native(index: Index, call: ast.Call, name: str) -> Rule | None:
    """Libraries and extensions that are loaded by a path from outside."""
    function = last_name(call.func)
    if name not in _LIBRARIES and function not in _LOADERS:
        return None
    given = call.args[0] if call.args else None
    if given is not None and _was_fetched(index, given):
        return NATIVE
    if given is None or index.constant(given) is not UNKNOWN:
        return None
    text = texts(given)
    if isinstance(given, ast.Name):
        text += " ".join(texts(value) for value in index.lookup(given))
    made = _made_by(index, given)
    if _FOUND.search(f"{text} {made}"):
        return None
    around = made or _around(index, call)
    is_strange = re.search(r"download|url|temp|tmp|request|argv|environ|input", f"{text} {around}")
    return NATIVE if function == "load_extension" or is_strange else None


def _made_by(index: Index, given: ast.expr) -> str:
    """The functions of this module that make a path; empty where none does."""
    called = {last_name(part.func) for part in ast.walk(given) if isinstance(part, ast.Call)}
    return " ".join(whole_text(held) for held in index.functions if held.name in called)


def _was_fetched(index: Index, given: ast.expr) -> bool:
    """Whether a name that is written here is also that of something downloaded."""
    text = index.constant(given)
    return isinstance(text, str) and any(
        KEEPERS.search(index.dotted(call.func))
        and any(index.constant(argument) == text for argument in call.args[1:])
        for call in index.calls
    )


def _around(index: Index, call: ast.Call) -> str:
    around = index.function_of(call)
    return whole_text(around) if isinstance(around, ast.FunctionDef) else module_text(index)


def _file_imports(index: Index, call: ast.Call, name: str) -> Rule | None:
    """``spec_from_file_location`` with a path that is neither known nor beside this file."""
    if name not in {
        "importlib.util.spec_from_file_location",
        "importlib.machinery.SourceFileLoader",
        "imp.load_source",
    }:
        return _configures(index, call, name)
    given = call.args[1] if len(call.args) > 1 else index.keyword_node(call, "location")
    if not isinstance(given, ast.expr) or index.constant(given) is not UNKNOWN:
        return None
    return None if "__file__" in _around(index, call) else IMPORTS_FILE


_CONFIGURED = expression(
    r"(?:mmengine|mmcv|mmdet)\.\S*Config\.fromfile|detectron2\.\S*LazyConfig\.load"
)


def _configures(index: Index, call: ast.Call, name: str) -> Rule | None:
    """Configuration that is Python and was fetched: ``Config.fromfile("fetched.py")``."""
    if not _CONFIGURED.fullmatch(name) or not call.args:
        return None
    text = _around(index, call)
    is_fetched = re.search(r"\brequests\b|\bhttpx\b|urlopen|urlretrieve|download", text) is not None
    return IMPORTS if is_fetched or _VISITOR.search(texts(call.args[0])) else None


def _entities(index: Index, call: ast.Call, name: str) -> Rule | None:
    """Parsers of XML that are told to resolve entities or to load what a document names."""
    if last_name(call.func) not in {"XMLParser", "iterparse", "ETCompatXMLParser"}:
        return None
    if not name.startswith("lxml"):
        return None
    flags = (("resolve_entities", True), ("no_network", False), ("load_dtd", True))
    return ENTITIES if any(index.keyword(call, key) is bad for key, bad in flags) else None


_LAST_NAMES = (
    frozenset(
        name.rpartition(".")[2]
        for name in _SHELLS | _PROCESSES | _RUNNERS | _IMPORTERS | _PROFILERS | _LIBRARIES
    )
    | _QUERIES
    | _TEMPLATES
    | _LOADERS
    | frozenset(
        """
        eval evaluate query system getoutput exec_command runsource runcode sympify parse_expr
        run sudo local execute_shell_command shell BashOperator SSHOperator ShellOperation
        create_subprocess_exec spawn run_process open_process spec_from_file_location
        SourceFileLoader load_source fromfile load XMLParser iterparse ETCompatXMLParser
        unpack_archive extractall extract _create_unverified_context _create_stdlib_context FTP
        Telnet set_missing_host_key_policy mktemp md5 sha1
        urlretrieve urlopen urlread read_csv read_json read_parquet read_table read_excel
        get_file load_state_dict_from_url download_url download_url_to_file download_file
        download_and_extract_archive read_pickle Request imread_url retrieve scan_csv
        scan_parquet read_ndjson scan_ndjson loadtxt genfromtxt read_feather open get request
        stream download
        """.split()  # noqa: SIM905 - a table of names reads better as words
    )
)
_BEGINNINGS = ("exec", "spawn", "posix_spawn")
_ASKED_KEYWORDS = frozenset({"verify", "ssl", "verify_ssl", "cert_reqs"})
"""What the readings below ask for: the last part of a name, its beginning, a keyword."""


_READINGS: tuple[_Reading, ...] = (
    _evaluates,
    _shells,
    _replaces,
    _interprets,
    _queries,
    _imports,
    _file_imports,
    _templates,
    _native,
    _entities,
    unpacks,
    fetches,
    weak_habits,
)
