"""Statements that only read, in whatever dialect they will be run.

The reading is an allow-list: one statement that begins with SELECT, WITH or VALUES, made of
signs that all common dialects cut into the same words, of functions that compute and do
nothing else, without any word that begins or changes a statement, and without the systems'
own tables. What dialects cut differently (comments of MySQL, dollar quotes, backslashes in
strings) is refused whatever it would mean.

References:
    ISO/IEC 9075-2 for the words; SQLite, PostgreSQL, MySQL and Transact-SQL references for
    where they differ. OWASP LLM05:2025.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MAX_CHARACTERS: Final = 20_000
MAX_WORDS: Final = 5_000


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+|--[ \t][^\r\n]*(?=\r|\n|$)|--(?=\r|\n|$))"
    r"|(?P<string>'(?:[^'\\]|'')*')"
    r'|(?P<quoted>"[\w $#-]+"|`[\w $#-]+`|\[[^\W\d][\w ]*\])'
    r"|(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?(?![A-Za-z_])|\.\d+)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<mark><=|>=|<>|!=|\|\||::|[-+*/%=<>(),.;?])"
)
_STARTS = frozenset({"select", "with", "values"})
_CHANGING = _listed(
    "alter analyze attach backup begin bulk call checkpoint commit copy create dbcc deallocate "
    "declare delete deny detach do drop dumpfile exec execute explain goto grant handler insert "
    "install into kill load lock merge outfile pragma prepare print procedure raiserror readtext "
    "receive reconfigure reindex rename restore return revert revoke rollback save send set "
    "setuser shutdown throw trigger truncate unlock update updatetext use vacuum waitfor while "
    "writetext"
)
_SYSTEM = re.compile(
    r"(?:pg|sqlite|xp|sp|dbms|utl|lo|duckdb)_\w*|information_schema|performance_schema|mysql|sys"
    r"|sysobjects|syscolumns|pg_catalog|all_users|dba_users|v_?session",
    re.IGNORECASE,
)
_FUNCTIONS = _listed(
    "abs acos age array_agg ascii asin atan atan2 avg bit_and bit_or bool_and bool_or cast ceil "
    "ceiling char char_length character_length chr coalesce concat concat_ws convert corr cos cot "
    "count covar_pop covar_samp cume_dist current_date current_timestamp date date_add date_format "
    "date_part date_sub date_trunc dateadd datediff datename datepart datetime day dayofmonth "
    "dayofweek dayofyear days decimal decode degrees dense_rank double every exp extract field "
    "first_value float floor format from_unixtime getdate greatest group_concat hour if ifnull iif "
    "initcap instr int integer interval isnull json_array json_extract json_object julianday lag "
    "last_day last_value lead least left len length like listagg ln locate log log10 log2 lower "
    "lpad ltrim make_date max md5 median min minute mod mode month monthname nchar now nth_value "
    "ntile nullif numeric nvarchar nvl octet_length overlay percent_rank percentile_cont "
    "percentile_disc pi position pow power printf quarter quote radians rank real regexp_count "
    "regexp_like regexp_replace regexp_substr replace reverse right round row row_number rpad "
    "rtrim second sign sin split_part sqrt std stddev stddev_pop stddev_samp stdev str str_to_date "
    "strftime string_agg strpos substr substring sum tan time timediff timestamp timestampdiff "
    "to_char to_date to_number to_timestamp total trim trunc truncate_date typeof unicode "
    "unix_timestamp upper var_pop var_samp varchar variance week weekday width_bucket year "
    "yearweek"
)
_BEFORE_BRACKET = _listed(
    "all and any as between by case cube distinct else except exists filter from group_id grouping "
    "having in intersect is join lateral limit materialized not offset on or over partition rollup "
    "select sets some then union using values when where with within order then like ilike "
    "similar to interval group"
)
_TAKES_FROM = frozenset({"extract", "substring", "trim", "overlay", "position"})
_ENDS_TABLES = _listed(
    "where group order having limit offset fetch union except intersect window select on using "
    "qualify for"
)


@dataclass(frozen=True, slots=True)
class _Word:
    kind: str
    text: str


def writing_in(text: str, tables: frozenset[str] = frozenset()) -> str:
    """What in ``text`` does more than read, or cannot be told; empty where it only reads.

    Args:
        tables: Names in lower case that may be read; empty for any but the systems' own.

    >>> writing_in("SELECT name, count(*) FROM visits GROUP BY name;")
    ''
    >>> writing_in("SELECT 1; DROP TABLE visits")
    'more than one statement'
    >>> writing_in("SELECT load_file('x')")
    'the function load_file'
    """
    if len(text) > MAX_CHARACTERS:
        return "a statement of unusual length"
    words = _words(text)
    if isinstance(words, str):
        return words
    if words and words[-1].text == ";":
        words = words[:-1]
    if not words or len(words) > MAX_WORDS:
        return "no statement, or one of unusual length"
    if any(word.text == ";" for word in words):
        return "more than one statement"
    first = next((word.text for word in words if word.text != "("), "")
    if first not in _STARTS:
        return "a statement that does not begin with SELECT, WITH or VALUES"
    return _bad_word(words) or _bad_function(words) or _bad_table(words, tables)


def _words(text: str) -> list[_Word] | str:
    """The words, or what makes them ambiguous."""
    found, end = [], 0
    for match in _TOKEN.finditer(text):
        if match.start() != end:
            break
        end = match.end()
        kind = match.lastgroup or ""
        if kind != "space":
            spoken = match[0].lower() if kind == "word" else match[0]
            found.append(_Word(kind, spoken))
    if end != len(text):
        return "a sign that dialects read differently"
    return found


def _bad_word(words: Sequence[_Word]) -> str:
    for word in words:
        if word.kind == "word" and word.text in _CHANGING:
            return f"the word {word.text.upper()}"
        name = word.text[1:-1] if word.kind == "quoted" else word.text
        if word.kind in ("word", "quoted") and _SYSTEM.fullmatch(name):
            return "a table or function of the system"
    return ""


def _bad_function(words: Sequence[_Word]) -> str:
    """Anything before a bracket that is neither a known function nor a part of the grammar."""
    named = _common_tables(words)
    for before, (word, after) in zip(
        (None, *words), zip(words, (*words[1:], None), strict=True), strict=False
    ):
        if after is None or after.text != "(" or word.kind not in ("word", "quoted"):
            continue
        if word.kind == "quoted" or (before is not None and before.text == "."):
            return "a function by a quoted or qualified name"
        if word.text not in _FUNCTIONS | _BEFORE_BRACKET | named:
            return f"the function {word.text[:40]}"
    return ""


def _common_tables(words: Sequence[_Word]) -> frozenset[str]:
    """Names that the statement itself defines: ``WITH name [(columns)] AS (``."""
    found = set()
    for place, word in enumerate(words[:-2]):
        if word.kind != "word" or words[max(0, place - 1)].text not in ("with", "recursive", ","):
            continue
        end = place + 1
        if words[end].text == "(":
            end = next((n for n in range(end, len(words)) if words[n].text == ")"), len(words)) + 1
        if [one.text for one in words[end : end + 2]] == ["as", "("]:
            found.add(word.text)
    return frozenset(found)


def _bad_table(words: Sequence[_Word], tables: frozenset[str]) -> str:
    own = _common_tables(words)
    for kind, name in _sources(words):
        if kind == "string":
            return "a file in place of a table"
        bare = name.lower()
        if tables and bare not in tables and bare not in own:
            return f"the table {bare[:40]}" if bare.replace(".", "").isalnum() else "another table"
    return ""


def _sources(words: Sequence[_Word]) -> Iterator[tuple[str, str]]:
    """What stands where tables stand: behind FROM, JOIN, and the commas between."""
    in_tables = [False]
    openers = [""]
    for place, word in enumerate(words):
        before = words[place - 1].text if place else ""
        if word.text == "(":
            openers.append(before)
            in_tables.append(False)
        elif word.text == ")" and len(in_tables) > 1:
            openers.pop()
            in_tables.pop()
        elif word.kind == "word" and word.text in _ENDS_TABLES:
            in_tables[-1] = False
        starts = word.text in ("from", "join") and before != "distinct"
        if starts and openers[-1] not in _TAKES_FROM:
            in_tables[-1] = True
        elif not (word.text == "," and in_tables[-1]):
            continue
        yield from _named(words[place + 1 : place + 6])


def _named(words: Sequence[_Word]) -> Iterator[tuple[str, str]]:
    """The table at the beginning of ``words``: a name with its qualifiers, or a string."""
    rest = [word for word in words if word.text not in ("only", "lateral")]
    if not rest or rest[0].text == "(":
        return
    if rest[0].kind == "string":
        yield "string", rest[0].text
        return
    parts = [_bare(rest[0])]
    for dot, part in zip(rest[1::2], rest[2::2], strict=False):
        if dot.text != ".":
            break
        parts.append(_bare(part))
    yield "name", ".".join(parts)


def _bare(word: _Word) -> str:
    return word.text[1:-1] if word.kind == "quoted" else word.text
