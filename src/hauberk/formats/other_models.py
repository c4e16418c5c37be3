"""Formats that are not read, looked at for what makes their loaders run code.

A file of these stays not assessed: what is told here is what can be seen without following it.
Java's serialized objects name their classes in plain text, and those that chains of calls are
built from are published; R's loader evaluates a promise when its value is used (CVE-2024-27322);
Core ML asks the application for the class of a custom layer or model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from hauberk.errors import ArtifactError
from hauberk.formats.pickle_values import printable
from hauberk.formats.remarks import Grade, Remark
from hauberk.formats.spans import Span

JAVA = "serialized Java object"

_LOOKED_AT = 16 << 20

_CHAINS = re.compile(
    rb"org\.apache\.commons\.(collections4?\.functors\.\w+Transformer|beanutils\.BeanComparator)"
    rb"|[\w.]*\.xsltc\.trax\.Templates(Impl|HandlerImpl)|org\.codehaus\.groovy\.runtime\.\w+Closure"
    rb"|org\.springframework\.(beans|aop|core|jndi|transaction)[\w.$]+|java\.lang\.(Runtime|ProcessBuilder)"
    rb"|javax\.script\.\w+|bsh\.\w+|clojure\.(core|lang|inspector)[\w.$]+|org\.mozilla\.javascript[\w.$]*"
    rb"|com\.sun\.rowset\.JdbcRowSetImpl|com\.mchange\.v2\.c3p0[\w.$]+|org\.hibernate[\w.$]+"
    rb"|java\.beans\.EventHandler|sun\.reflect\.annotation\.AnnotationInvocationHandler"
    rb"|javax\.management\.BadAttributeValueExpException|java\.rmi\.(server|registry)[\w.$]+"
    rb"|java\.net\.URL(?![\w.])|javax\.naming[\w.$]+|org\.jboss\.(interceptor|weld)[\w.$]+"
)


def _java(span: Span) -> Iterator[Remark]:
    found = _CHAINS.search(span.read(0, _LOOKED_AT))
    if found:
        name = printable(found[0].decode("ascii"))
        text = f"makes an object of {name}, which chains of calls are built from"
        yield Remark(Grade.DANGEROUS, name, text, found.start())


_JUDGES: dict[str, Callable[[Span], Iterator[Remark]]] = {
    JAVA: _java,
}


def judge_unread(span: Span, detail: str) -> Iterator[Remark]:
    """What can be seen of a format that is not read; nothing of most."""
    try:
        yield from _JUDGES[detail](span) if detail in _JUDGES else ()
    except ArtifactError:
        return  # it is not assessed in any case
