"""The command line: one module per verb, found by its file, imported when it is used.

A verb's module holds ``HELP`` (one line), ``EXAMPLE`` (a command that works),
``configure(parser)`` and ``run(args) -> int``. Errors are raised; this module prints them
and maps their class to the exit code.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hauberk.errors import HauberkError

_ORDER: dict[str, str] = {
    "try": "make a small project, run its lifecycle, attack it, write one page",
    "init": "propose a lifecycle file for the project in this folder",
    "run": "run the lifecycle: every step isolated, checked, signed and attested",
    "verify": "check a model's whole chain, or say what is broken",
    "explain": "show where a model comes from",
    "report": "write a run as one HTML page",
    "scan": "check data, models, code and repositories that you already have",
    "convert": "write a model in a format without code, and compare predictions",
    "data": "keep, list, compare, check out and verify versions of data sets",
    "sign": "sign a model or any folder (OpenSSF Model Signing)",
    "serve": "put a verified model on line behind the guard",
    "guard": "put the guard in front of a model server that is already there",
    "monitor": "hold live rows against what training saw",
    "validate": "judge a model: scores, robustness, fairness, what it remembers",
    "layout": "declare a pipeline's steps, sign that, and hold runs against it",
    "probe": "ask services of this machine whether they let anybody in",
    "step": "run one command of any orchestrator isolated, hashed and attested",
    "replay": "do a training again, in random segments or whole, and compare bit for bit",
    "federated": "test, protect and merge updates of federated training",
    "env": "lock an environment file by file, and verify it before use",
    "advisories": "import known vulnerabilities for scans without a network",
    "ci": "write a workflow with least rights for GitHub or GitLab",
    "registry": "publish, promote, roll back and retire models under signed metadata",
    "root": "make, pin, show and rotate what is believed beforehand",
    "log": "verify, prove, show, publish or witness the append-only log",
    "store": "look at buckets, folders and policies: who is let in",
    "metadata": "show runs, metrics and lineage; compare runs; grant reading",
    "threats": "list the threats with their controls, attacks and measured figures",
    "range": "attack the controls and measure how they hold",
    "completion": "print a script that completes verbs and options in bash, zsh or fish",
}

VERBS = {
    verb: text for verb, text in _ORDER.items() if Path(__file__).with_name(f"{verb}.py").is_file()
}
"""Verbs in the order of ``--help``; a verb exists when its module does."""

EXIT_USAGE = 2
EXIT_INTERNAL = 4
EXIT_INTERRUPTED = 130

_MAX_SHOWN = 200

_COLLECT_AFTER = 50_000
"""Objects made before cycles are looked for; Python's own 700 costs a scan a tenth."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 ok; 1 found, denied or refused; 2 usage; 3 a required control could not be assessed;
    4 internal error; 130 interrupted.
    """
    if argv is not None:
        return _answer(list(argv))
    # The process is this command: what it imports stays, and need not be searched for cycles,
    # neither while it is imported nor at the end.
    gc.set_threshold(_COLLECT_AFTER)
    try:
        return _answer(sys.argv[1:])
    finally:
        gc.freeze()


def _answer(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if words else EXIT_USAGE
    if words[0] in ("-V", "--version"):
        from hauberk import __version__

        print(f"hauberk {__version__}")
        return 0
    if words[0] not in VERBS:
        return _unknown(words[0])
    return _guarded(words[0], words[1:])


def _overview() -> str:
    width = max(map(len, _ORDER))
    lines = [f"  {verb:<{width}}  {text}" for verb, text in VERBS.items()]
    return "\n".join(
        [
            "usage: hauberk VERB [ARGUMENTS]",
            "",
            "Security of machine-learning lifecycles.",
            "",
            *lines,
            "",
            "hauberk VERB --help shows a verb's arguments and an example.",
            "Exit codes: 0 ok, 1 found or refused, 2 usage, 3 not assessed,",
            "4 internal error, 130 interrupted.",
        ]
    )


def _unknown(word: str) -> int:
    import difflib

    near = difflib.get_close_matches(word, VERBS, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else ""
    print(f"hauberk: there is no verb {word!r}{guess}", file=sys.stderr)
    print("next: hauberk --help lists the verbs", file=sys.stderr)
    return EXIT_USAGE


def _guarded(verb: str, words: list[str]) -> int:
    from hauberk.errors import HauberkError

    try:
        with _heard():
            return _call(verb, words)
    except HauberkError as error:
        _print_error(error, " ".join([verb, *words]))
        return error.exit_code
    except KeyboardInterrupt:
        print("\nhauberk: interrupted; nothing half-done was kept", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:  # noqa: BLE001 - the outermost boundary: report, do not hide
        return _print_unexpected(verb, error)


@contextlib.contextmanager
def _heard() -> Iterator[None]:
    """Ask again for an interruption that fell into a place that swallows errors.

    Callbacks and destructors do, and importing a large library runs thousands of them: a
    Ctrl-C would print a traceback there, and the command would go on.
    """
    usual = sys.unraisablehook

    def again(lost: sys.UnraisableHookArgs) -> None:
        if lost.exc_type is not KeyboardInterrupt:
            usual(lost)
            return
        import signal

        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.01)  # not at once: that would be swallowed too

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = usual


def _print_unexpected(verb: str, error: Exception) -> int:
    if isinstance(error, ModuleNotFoundError):
        return _print_missing(verb, error)
    if isinstance(error, OSError) and error.errno in _places():
        return _print_refused(error)
    return _print_internal(error)


def _call(verb: str, words: list[str]) -> int:
    import argparse
    from functools import partial

    from hauberk.cli._arguments import Parser, add_common, manner, parsed

    module = module_of(verb)
    parser = Parser(
        prog=f"hauberk {verb}",
        description=(module.__doc__ or module.HELP).strip(),
        epilog=f"example:\n  {module.EXAMPLE}",
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=_width()),
        allow_abbrev=False,
    )
    module.configure(parser)
    add_common(parser)
    args = parsed(parser, words)
    with manner(args):
        return int(module.run(args))


def _width() -> int:
    """Columns for help; argparse would import a good deal to find that out for itself."""
    import os

    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns) - 2
    try:
        return (os.get_terminal_size(1).columns or 80) - 2
    except OSError:
        return 78


def module_of(verb: str) -> ModuleType:
    """The module of a verb, imported.

    Raises:
        UnavailableError: It needs a library that is not installed.
    """
    import importlib

    try:
        return importlib.import_module(f"hauberk.cli.{verb}")
    except ModuleNotFoundError as error:
        raise _needs(verb, error) from error


def _print_missing(verb: str, error: ModuleNotFoundError) -> int:
    """A library of an extra is missing; a module of our own would be our mistake."""
    if error.name is None or error.name.partition(".")[0] == "hauberk":
        return _print_internal(error)
    missing = _needs(verb, error)
    _print_error(missing)
    return missing.exit_code


def _needs(verb: str, error: ModuleNotFoundError) -> HauberkError:
    from hauberk.errors import UnavailableError

    message = f"hauberk {verb} needs {error.name}, which is not installed"
    return UnavailableError(message, hint="pip install 'hauberk[all]'")


def _print_error(error: BaseException, command: str = "") -> None:
    from hauberk.errors import HauberkError

    if not isinstance(error, HauberkError):
        return
    print(f"hauberk: {_inert(error.message)}", file=sys.stderr)
    for name, value in _complete(error, command):
        print(f"  {name + ':':<10}{_inert(value)}", file=sys.stderr)


def _complete(error: HauberkError, command: str) -> tuple[tuple[str, str], ...]:
    """All five parts of a refusal; what was refused deep inside does not know all of them."""
    from hauberk.errors import ArtifactError, TrustError

    known = dict(error.details())
    if not isinstance(error, ArtifactError | TrustError) or not command:
        return tuple(known.items())
    general = {
        "object": command[:_MAX_SHOWN],
        "rule": "what is read is whole, well-formed and as it was signed",
        "expected": "what this program or its owner wrote",
        "found": error.message,
        "next": "find out who changed it; restore it from its source or a backup",
    }
    return tuple((general | known).items())


def _inert(text: str) -> str:
    """Foreign text in an error, without what steers a terminal or hides what is there."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def _places() -> frozenset[int]:
    """Errors that the place has and no defect of ours: no right, no room, no more files."""
    import errno

    names = ("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "ENAMETOOLONG")
    return frozenset(getattr(errno, name) for name in names)


def _print_refused(error: OSError) -> int:
    from hauberk.errors import UnavailableError

    found = error.strerror or str(error)
    hint = "give yourself the right, make room, or work on a copy elsewhere"
    refusal = UnavailableError(
        "a place cannot be used", subject=str(error.filename or ""), found=found, hint=hint
    )
    _print_error(refusal)
    return refusal.exit_code


def _print_internal(error: Exception) -> int:
    import os
    import traceback

    if os.environ.get("HAUBERK_TRACEBACK"):
        traceback.print_exception(error)
    print(f"hauberk: internal error: {type(error).__name__}: {error}", file=sys.stderr)
    print(
        "  next:     please report this with the output of the same command under "
        "HAUBERK_TRACEBACK=1",
        file=sys.stderr,
    )
    return EXIT_INTERNAL
