"""Unsafe calls written by a grammar: what is called, how it is named, where it stands.

Each of three choices is independent of the others, so a text is one of thousands that nobody
wrote by hand. Its honest twin is the same text around the safe call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Deed:
    """One unsafe call and the safe one in its place.

    Attributes:
        bad: Module, function and arguments; ``{x}`` is what comes from outside.
        good: The same of the twin.
    """

    kind: str
    bad: tuple[str, str, str]
    good: tuple[str, str, str]


def _deed(kind: str, bad: str, good: str) -> Deed:
    return Deed(kind, _parts(bad), _parts(good))


def _parts(call: str) -> tuple[str, str, str]:
    name, _, rest = call.partition("(")
    module, _, function = name.rpartition(".")
    return module, function, rest.removesuffix(")")


DEEDS = (
    _deed("pickle", "pickle.load({x})", "json.load({x})"),
    _deed("pickle-bytes", "pickle.loads({x})", "json.loads({x})"),
    _deed("dill", "dill.load({x})", "tomllib.load({x})"),
    _deed("cloudpickle", "cloudpickle.loads({x})", "json.loads({x})"),
    _deed("joblib", "joblib.load({x})", "skops.io.load({x})"),
    _deed("torch", "torch.load({x}, weights_only=False)", "torch.load({x}, weights_only=True)"),
    _deed("yaml", "yaml.load({x}, Loader=yaml.Loader)", "yaml.load({x}, Loader=yaml.SafeLoader)"),
    _deed("yaml-unsafe", "yaml.unsafe_load({x})", "yaml.safe_load({x})"),
    _deed("numpy", "numpy.load({x}, allow_pickle=True)", "numpy.load({x}, allow_pickle=False)"),
    _deed("pandas", "pandas.read_pickle({x})", "pandas.read_parquet({x})"),
    _deed("marshal", "marshal.loads({x})", "json.loads({x})"),
    _deed("jsonpickle", "jsonpickle.decode({x})", "json.loads({x})"),
    _deed(
        "keras",
        "keras.models.load_model({x}, safe_mode=False)",
        "keras.models.load_model({x}, safe_mode=True)",
    ),
    _deed(
        "system",
        "os.system('unzip ' + str({x}))",
        "subprocess.run(['unzip', str({x})], check=True)",
    ),
    _deed("popen", "os.popen('head ' + str({x}))", "pathlib.Path({x})"),
    _deed(
        "shell",
        "subprocess.run(f'gunzip {{x}}', shell=True, check=True)",
        "subprocess.run(['gunzip', {x}], check=True)",
    ),
    _deed(
        "shell-output",
        "subprocess.check_output('wc -l ' + {x}, shell=True)",
        "subprocess.check_output(['wc', '-l', {x}])",
    ),
    _deed("eval", "builtins.eval({x})", "ast.literal_eval({x})"),
    _deed("exec", "builtins.exec({x})", "builtins.print({x})"),
    _deed(
        "remote-code",
        "transformers.AutoModel.from_pretrained({x}, trust_remote_code=True, revision='@hex@')",
        "transformers.AutoModel.from_pretrained({x}, trust_remote_code=False, revision='@hex@')",
    ),
    _deed(
        "verify",
        "requests.get({x}, verify=False, timeout=9)",
        "requests.get({x}, verify=True, timeout=9)",
    ),
    _deed("unpack", "shutil.unpack_archive({x}, 'out')", "shutil.copyfile({x}, 'out')"),
    _deed("pandas-eval", "builtins.eval({x}, {})", "int({x})"),
)
_BUILT_IN = "builtins"

# How it is named -----------------------------------------------------------------------

Naming = Callable[[str, str, Random], tuple[str, str]]
"""Module and function to lines of set-up and the expression that is called."""


def _split(module: str, function: str) -> tuple[str, str]:
    """The module to import and the way from there; classes are no modules."""
    parts = module.split(".")
    depth = next((n for n, part in enumerate(parts) if part[:1].isupper()), len(parts))
    return ".".join(parts[:depth]), ".".join([*parts[depth:], function])


def _plain(module: str, function: str, rng: Random) -> tuple[str, str]:
    del rng
    top, way = _split(module, function)
    return f"import {top}\n", f"{top}.{way}"


def _renamed(module: str, function: str, rng: Random) -> tuple[str, str]:
    top, way = _split(module, function)
    name = rng.choice(("impl", "backend", "_m", "lib"))
    return f"import {top} as {name}\n", f"{name}.{way}"


def _picked(module: str, function: str, rng: Random) -> tuple[str, str]:
    top, way = _split(module, function)
    first, dot, rest = way.partition(".")
    name = rng.choice(("restore", "read_in", "_open", "fetch_obj"))
    return f"from {top} import {first} as {name}\n", f"{name}{dot}{rest}"


def _guarded(module: str, function: str, rng: Random) -> tuple[str, str]:
    del rng
    top, way = _split(module, function)
    return f"try:\n    import {top} as be\nexcept ImportError:\n    be = None\n", f"be.{way}"


def _imported(module: str, function: str, rng: Random) -> tuple[str, str]:
    del rng
    top, way = _split(module, function)
    return f"import importlib\n\nbe = importlib.import_module({top!r})\n", f"be.{way}"


def _dunder(module: str, function: str, rng: Random) -> tuple[str, str]:
    del rng
    top, way = _split(module, function)
    tail = ", fromlist=['x']" if "." in top else ""
    return "", f"__import__({top!r}{tail}).{way}"


def _asked(module: str, function: str, rng: Random) -> tuple[str, str]:
    del rng
    top, way = _split(module, function)
    *between, last = way.split(".")
    return f"import {top}\n", f"getattr({'.'.join([top, *between])}, {last!r})"


def _rebound(module: str, function: str, rng: Random) -> tuple[str, str]:
    name = rng.choice(("READ", "open_it", "_impl"))
    top, way = _split(module, function)
    return f"import {top}\n\n{name} = {top}.{way}\n", name


def _tabled(module: str, function: str, rng: Random) -> tuple[str, str]:
    del rng
    top, way = _split(module, function)
    return f"import {top}\n\nHOW = {{'std': {top}.{way}}}\n", "HOW['std']"


def _held(module: str, function: str, rng: Random) -> tuple[str, str]:
    del rng
    top, way = _split(module, function)
    text = f"import {top}\n\n\nclass Io:\n    go = staticmethod({top}.{way})\n\n\n"
    return text, "Io.go"


NAMINGS: tuple[Naming, ...] = (
    _plain, _renamed, _picked, _guarded, _imported, _dunder, _asked, _rebound, _tabled, _held,
)  # fmt: skip

# Where it stands -----------------------------------------------------------------------

PLACES: tuple[tuple[str, str], ...] = (
    ("src", "def {a}(src):\n    return {call}\n"),
    ("src", "class {A}Store:\n    def {a}(self, src):\n        self.{b} = {call}\n"),
    ("src", "async def {a}(src, /, *, strict=True):\n    if strict:\n        return {call}\n"),
    ("item", "def {a}(sources):\n    return [{call} for item in sources]\n"),
    ("item", "def {a}(sources):\n    for item in sources:\n        yield {call}\n"),
    ("src", "{a} = lambda src: {call}\n"),
    ("argv[1]", "from sys import argv\n\n{a} = {call}\n"),
    (
        "src",
        ("def {a}(src):\n    try:\n        return {call}\n    except ValueError as error:\n"
        "        raise RuntimeError('{b}') from error\n"),
    ),
    ("src", "def {a}(src):\n    if ({b} := {call}) is not None:\n        print({b})\n"),
    ("src", "def {a}(src, fallback=None):\n    return {call} if src else fallback\n"),
    ("self.src", "class {A}:\n    @property\n    def {b}(self):\n        return {call}\n"),
    ("src", "def outer():\n    def {a}(src):\n        return {call}\n    return {a}\n"),
    ("src", ("def {a}(src):\n    match src:\n        case None:\n            return None\n"
     "        case _:\n            return {call}\n")),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Reworded:
    """A drawn text, its twin, and what was drawn."""

    kind: str
    path: str
    bad: str
    good: str


def reworded(rng: Random, words: tuple[str, str], deeds: tuple[Deed, ...] = DEEDS) -> Reworded:
    """One text of the grammar.

    >>> drawn = reworded(Random(3), ("amber", "basil"))
    >>> drawn.bad != drawn.good
    True
    """
    deed = rng.choice(deeds)
    naming, (source, place) = rng.choice(NAMINGS), rng.choice(PLACES)
    state, commit = rng.getstate(), f"{rng.getrandbits(160):040x}"
    texts = []
    for call in (deed.bad, deed.good):
        rng.setstate(state)
        texts.append(_text(call, naming, (source, place), words, rng))
    bad, good = (text.replace("@hex@", commit) for text in texts)
    return Reworded(kind=deed.kind, path=f"src/{words[0]}_{words[1]}.py", bad=bad, good=good)


def _text(
    deed: tuple[str, str, str],
    naming: Naming,
    where: tuple[str, str],
    words: tuple[str, str],
    rng: Random,
) -> str:
    (module, function, arguments), (source, place) = deed, where
    before = ""
    if module in ("", _BUILT_IN) and naming in (_plain, _picked, _guarded, _held, _dunder):
        setup, called = "", function  # nobody imports what is there already
    else:
        setup, called = naming(module or _BUILT_IN, function, rng)
    if "yaml." in arguments and "import yaml\n" not in setup:
        before = "import yaml\n"
    call = f"{called}({arguments.replace('{x}', source)})"
    a, b = words
    body = place.replace("{call}", call).replace("{a}", a).replace("{b}", b)
    return before + setup + body.replace("{A}", a.replace("@a@", "@A@").title())
