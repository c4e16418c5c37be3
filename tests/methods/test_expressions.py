"""Expressions that are compiled at their first use."""

import importlib
import pkgutil
import re

import hauberk.methods.code
from hauberk.methods import secrets
from hauberk.methods.expressions import all_known, expression


def test_an_expression_answers_as_a_compiled_one():
    late, made = expression(r"(a)(b)?", re.IGNORECASE), re.compile(r"(a)(b)?", re.IGNORECASE)
    assert late.sub("x", "ABa") == made.sub("x", "ABa")
    assert late.fullmatch("aB").groups() == made.fullmatch("aB").groups()
    assert late.findall("ab a") == made.findall("ab a")


def test_every_expression_of_the_rules_compiles():
    assert list(secrets.find_secrets("nothing")) == []
    for module in pkgutil.iter_modules(hauberk.methods.code.__path__):
        importlib.import_module(f"hauberk.methods.code.{module.name}")
    known = all_known()
    assert len(known) > 100
    for one in known:
        re.compile(one.pattern, one.flags)
