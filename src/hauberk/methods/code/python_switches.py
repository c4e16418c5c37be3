"""Settings that switch checks off; see `hauberk.methods.code.python_execution`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hauberk.methods.code.execution_rules import EXTRACT, UNVERIFIED
from hauberk.methods.code.flow import once, parts_of, texts
from hauberk.methods.code.python_index import UNKNOWN, Index, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

_ON, _OFF = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})
_SWITCHES = {
    "PYTHONHTTPSVERIFY": _OFF,
    "NODE_TLS_REJECT_UNAUTHORIZED": _OFF,
    "GIT_SSL_NO_VERIFY": _ON,
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": _ON,
    "MLFLOW_TRACKING_INSECURE_TLS": _ON,
    "WANDB_INSECURE_DISABLE_SSL": _ON,
    "CLEARML_API_HOST_VERIFY_CERT": _OFF,
    "allow_unsigned_extensions": _ON,
}
"""Environment variables by which tools leave checks out, and the values that do."""
_BUNDLES = frozenset({"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"})


def switched_off(index: Index) -> Iterator[Hit]:
    """Settings that switch checks off: attributes and environment variables."""
    for node in index.each(ast.Assign):
        for target in node.targets:
            if not isinstance(target, (ast.Attribute, ast.Subscript)):
                continue
            text = texts(target)
            if text.endswith(".extraction_filter"):
                if "trusted" in texts(node.value) or isinstance(node.value, ast.Lambda):
                    yield Hit(EXTRACT, node.lineno, text)
            elif _switches_off(index, text, node.value) and not is_callers_choice(index, node):
                yield Hit(UNVERIFIED, node.lineno, text)
    for name, value in _environment(index):
        if name in _BUNDLES | _SWITCHES.keys() and _is_off(index, name, value):
            yield Hit(UNVERIFIED, value.lineno, name)


def _environment(index: Index) -> Iterator[tuple[str, ast.expr]]:
    """Variables that are set: by key, by call, and in the tables that processes are given."""
    for node in index.each(ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Subscript) and last_name(target.value) == "environ":
                key = index.constant(target.slice)
                yield from [(key, node.value)] if isinstance(key, str) else ()
    for call in index.calls:
        name = last_name(call.func)
        if name in {"setdefault", "putenv", "setenv"} and len(call.args) > 1:
            key = index.constant(call.args[0])
            yield from [(key, call.args[1])] if isinstance(key, str) else ()
        elif name == "update" and call.keywords and "environ" in texts(call.func):
            yield from ((given.arg, given.value) for given in call.keywords if given.arg)
    for table in index.each(ast.Dict):
        for entry, value in zip(table.keys, table.values, strict=True):
            if isinstance(entry, ast.Constant) and isinstance(entry.value, str):
                yield entry.value, value


_CHOICE = expression(
    r"(?i)(?:^|_)(?:verify|ssl|tls|insecure|cert(?:ificate)?s?|skip_?verify|check_?hostname)(?:_|$)"
)


def is_callers_choice(index: Index, node: ast.AST) -> bool:
    """Whether a check is off only where somebody asked for that: ``if not self.verify_ssl: ...``.

    An option that is off unless somebody switches it on is nobody's choice.
    """
    asked = {
        name
        for held in index.ancestors(node)
        if isinstance(held, ast.If)
        for part in parts_of(held.test)
        if isinstance(part, (ast.Name, ast.Attribute))
        and _CHOICE.search(name := last_name(part))
        and index.constant(part) is UNKNOWN
    }
    return bool(asked) and not any(_is_off_by_itself(index, name) for name in asked)


def _is_off_by_itself(index: Index, name: str) -> bool:
    """Whether an option switches checks off when nobody says anything."""
    off = "insecure" in name.lower() or "skip" in name.lower()
    return f"{name} {off}" in once(index, "defaults", lambda: frozenset(_by_themselves(index)))


def _by_themselves(index: Index) -> Iterator[str]:
    """Names with the truth values that they are bound to, or have as parameters by default."""
    given = [(name, value) for (_, name), values in index.bound.items() for value in values]
    given += [(name, value) for name, values in index.attributes.items() for value in values]
    for function in index.functions:
        arguments = [*function.args.posonlyargs, *function.args.args]
        last = arguments[len(arguments) - len(function.args.defaults) :]
        given += [(a.arg, v) for a, v in zip(last, function.args.defaults, strict=True)]
        pairs = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
        given += [(a.arg, v) for a, v in pairs if v is not None]
    for name, value in given:
        if isinstance(value, ast.Constant) and isinstance(value.value, bool):
            yield f"{name} {value.value}"


def _switches_off(index: Index, target: str, value: ast.expr) -> bool:
    known = index.constant(value)
    last = target.rpartition(".")[2]
    if last in {"verify", "check_hostname", "ssl_verify", "verify_ssl"} and known is False:
        return True
    if last == "verify_mode" and "CERT_NONE" in texts(value):
        return True
    return last == "_create_default_https_context" and "unverified" in texts(value)


def _is_off(index: Index, name: str, value: ast.expr) -> bool:
    known = index.constant(value)
    if name in _BUNDLES:
        return known == ""
    return str(known).lower() in _SWITCHES[name]
