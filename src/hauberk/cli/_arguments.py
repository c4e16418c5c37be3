"""The parser of every verb: options that all of them have, and guesses at what was meant."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

_MAX_CAUSES = 5


class Parser(argparse.ArgumentParser):
    """A parser whose errors say what was probably meant, and what to do next."""

    def error(self, message: str) -> NoReturn:
        """Print the error with a guess and end with the exit code of usage errors."""
        near = _meant(message, sorted(options_of(self)))
        guess = f"; did you mean {near!r}?" if near else ""
        print(f"hauberk: {message}{guess}", file=sys.stderr)
        self.exit(2, f"  next:     {self.prog} --help shows the arguments and an example\n")


def parsed(parser: Parser, words: list[str]) -> argparse.Namespace:
    """As `argparse` does, but a word that is left over is told by the deed that it was said to."""
    found, left = parser.parse_known_args(words)
    if left:
        _deed_in(parser, found).error(f"unrecognized arguments: {' '.join(left)}")
    return found


def _deed_in(parser: argparse.ArgumentParser, found: argparse.Namespace) -> argparse.ArgumentParser:
    """The parser of the deed that was named, however deep it lies."""
    for action in parser._actions:  # noqa: SLF001 - argparse shows its arguments in no other way
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            deed = action.choices.get(str(getattr(found, action.dest, None)))
            return parser if deed is None else _deed_in(deed, found)
    return parser


def _meant(message: str, options: list[str]) -> str:
    """The option or choice that looks most like the word that was not understood."""
    from difflib import get_close_matches

    choice = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
    if choice is not None:
        known = [word.strip(" '") for word in choice[2].split(",")]
        return next(iter(get_close_matches(choice[1], known, n=1)), "")
    unknown = re.search(r"unrecognized arguments: .*?(--[\w-]+)", message)
    if unknown is None:
        return ""
    near = get_close_matches(unknown[1], options, n=3)
    swapped = (word for word in near if sorted(word) == sorted(unknown[1]))
    return next(swapped, near[0] if near else "")


def deeds_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of a verb's deeds, by name."""
    for action in parser._actions:  # noqa: SLF001 - argparse shows its arguments in no other way
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            return dict(action.choices)
    return {}


def own_options(parser: argparse.ArgumentParser) -> set[str]:
    """Long options of a parser itself."""
    actions = parser._actions  # noqa: SLF001 - as above
    return {text for item in actions for text in item.option_strings if text.startswith("--")}


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Long options of a parser and of its deeds."""
    return own_options(parser).union(*(options_of(deed) for deed in deeds_of(parser).values()))


def add_common(parser: argparse.ArgumentParser) -> None:
    """Give a verb and its deeds ``--quiet`` and ``--verbose``, where they have none themselves."""
    known = own_options(parser)
    common = {
        "--quiet": "print errors only; the exit code says the rest",
        "--verbose": "say on standard error what caused an error, and how long it took",
    }
    for option, text in common.items():
        if option not in known:
            parser.add_argument(
                option,
                action="store_true",
                default=argparse.SUPPRESS,
                help=text,
                dest=f"common_{option[2:]}",
            )
    for deed in deeds_of(parser).values():
        add_common(deed)


@contextlib.contextmanager
def manner(args: argparse.Namespace) -> Iterator[None]:
    """Run a verb as quietly or as verbosely as was asked."""
    if not getattr(args, "common_verbose", False):
        with _silence(getattr(args, "common_quiet", False)):
            yield
        return
    started = time.monotonic()
    try:
        with _silence(getattr(args, "common_quiet", False)):
            yield
    except Exception as error:
        for cause in _causes(error):
            print(f"hauberk: cause: {type(cause).__name__}: {cause}", file=sys.stderr)
        raise
    finally:
        print(f"hauberk: {time.monotonic() - started:.1f} s", file=sys.stderr)


@contextlib.contextmanager
def _silence(is_quiet: bool) -> Iterator[None]:  # noqa: FBT001 - a switch that is read once
    if not is_quiet:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nothing, contextlib.redirect_stdout(nothing):  # noqa: PTH123 - a device
        yield


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__ or error.__context__
    for _ in range(_MAX_CAUSES):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__
