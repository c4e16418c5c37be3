"""Data at a path, alone or beside what it is held against."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Comparison, Dataset, Report, Splits, Synthesis, Transformation
from hauberk.errors import ArtifactError, HauberkError, UnavailableError, UsageError
from hauberk.scanner.data_folders import data_folder, open_folder
from hauberk.scanner.options import ScanOptions


def open_data(
    path: Path, options: ScanOptions, *, is_named: bool = True, like: Dataset | None = None
) -> Dataset:
    """The table, or the folder of pictures or documents, at ``path``.

    Args:
        is_named: Whether the caller named the path, so that roles must fit it.
        like: Pictures whose size these are brought to.

    Raises:
        ArtifactError: It is malformed, hostile or beyond a bound.
        UnavailableError: It is a table without rows or labels, of which nothing can be said.
        UsageError: It is not there, or a named column is not.
    """
    if path.is_dir() and data_folder(path):
        found = open_folder(path, options, like=like)
    else:
        found = _table(path, options, is_named=is_named)
        if is_named and _is_empty(found):
            raise UnavailableError(
                "the data set has no rows, so that nothing can be said of it",
                subject=str(path),
                expected="at least one row",
                found="columns without rows" if found.columns else "nothing",
                hint="see whether the step that writes it came to its end",
            )
        if is_named and options.label is not None and _is_unlabelled(found):
            raise UnavailableError(
                f"no row has a label in column {options.label}, so that nothing can be said of it",
                subject=str(path),
                rule="the label column has values",
                expected="a label in at least one row",
                found="missing cells alone",
                hint="see whether the labels were lost on the way, or leave --label out",
            )
    return replace(found, min_group=options.min_group)


def beside(dataset: Dataset, options: ScanOptions) -> Any:
    """The subject that ``dataset`` makes up with the tables that the options name."""
    if options.reference is not None:
        reference = _other("--reference", options.reference, options, dataset)
        dataset = replace(dataset, reference=reference)
    if options.outputs is not None:
        dataset = replace(dataset, generated=marks_in(options.outputs))
    if options.transforms is not None:
        return _transformed(dataset, options)
    if options.train is not None:
        train = _other("--train", options.train, options, dataset)
        if options.control is not None:
            control = _other("--control", options.control, options, dataset)
            return Synthesis(synthetic=dataset, train=train, control=control)
        return Splits(train=train, test=dataset, group=options.group, time=options.time)
    if options.against is not None:
        old = _other("--against", options.against, options, dataset)
        _check_alike(old, dataset, options.against)
        return Comparison(old=old, new=dataset)
    return dataset


def _other(option: str, path: Path, options: ScanOptions, dataset: Dataset) -> Dataset:
    """The data that an option names; that it cannot be read is no finding about ``dataset``."""
    try:
        return open_data(path, options, like=dataset)
    except (ArtifactError, UnavailableError) as error:
        raise UsageError(
            f"what {option} names cannot be read as data: {error.message}",
            subject=str(path),
            expected=error.expected or "a table or a folder like the scanned one",
            found=error.found,
            hint=f"name another file with {option}, or scan this one by itself",
        ) from error


def _check_alike(old: Dataset, new: Dataset, path: Path) -> None:
    """Two versions of one table share columns; else another file was meant."""
    theirs = [column.name for column in old.columns]
    ours = [column.name for column in new.columns]
    if not set(theirs) & set(ours):
        raise UsageError(
            "what --against names has no column of the scanned table, and is no version of it",
            subject=str(path),
            rule="versions of a table share columns",
            expected=f"some of: {', '.join(ours[:20])}",
            found=", ".join(theirs[:20]),
            hint="name the version before with --against",
        )


def report_beside(path: Path, options: ScanOptions) -> Report:
    """The text at ``path`` with the rows of training that the options name."""
    from hauberk.formats.report_text import open_report

    if options.train is None:
        raise UsageError(
            "a report is held against rows of training",
            subject=str(path),
            expected="--train FILE",
            found="none",
        )
    return open_report(path, open_data(options.train, options, is_named=False))


def marks_in(folder: Path) -> tuple[bytes, ...]:
    """Marks of outputs in the log of a guard.

    Raises:
        ArtifactError: A record is none of a guard.
        TrustError: The log was changed.
        UsageError: There is no log.
    """
    import json
    from base64 import b64decode

    from hauberk.trust.log import Log

    if not folder.is_dir():
        raise UsageError(
            "there is no log of outputs",
            subject=str(folder),
            expected="the folder of a guard's --log",
        )
    log = Log.open(folder)
    found: dict[bytes, None] = {}
    try:
        for record in log.records():
            if b'"marks"' in record:
                found.update(
                    {b64decode(mark, validate=True): None for mark in json.loads(record)["marks"]}
                )
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            "a record of the log of outputs cannot be read",
            subject=str(folder),
            expected="decisions of a guard",
            found=type(error).__name__,
        ) from error
    return tuple(found)


def _transformed(dataset: Dataset, options: ScanOptions) -> Transformation:
    """``dataset`` as what a step made of the rows before, by its contract."""
    from hauberk.formats.transforms import open_transforms

    if options.transforms is None or options.against is None:
        raise UsageError(
            "a transform contract needs the rows that the step took",
            subject="--transforms",
            expected="--against FILE beside it",
            found="none",
        )
    return Transformation(
        old=_other("--against", options.against, options, dataset),
        new=dataset,
        declared=open_transforms(options.transforms),
        training=(
            None if options.train is None else _other("--train", options.train, options, dataset)
        ),
    )


def _table(path: Path, options: ScanOptions, *, is_named: bool) -> Dataset:
    from hauberk.formats.tables import open_table

    if not is_named and not _has_columns(path, options):
        return open_table(path, arrays=options.arrays)
    return open_table(
        path,
        label=options.label,
        sensitive=options.sensitive,
        source=options.source,
        annotator=options.annotator,
        arrays=options.arrays,
    )


def _is_empty(table: Dataset) -> bool:
    """Whether there is no row; what cannot be read is told by whoever reads it all."""
    try:
        return not any(batch.num_rows for batch in table.read())
    except HauberkError:
        return False


def _is_unlabelled(table: Dataset) -> bool:
    """Whether every label is missing; an ordinary table says no with its first rows."""
    import pyarrow.compute as pc

    try:
        return all(
            pc.all(pc.is_null(batch.column(table.label), nan_is_null=True)).as_py()
            for batch in table.read()
        )
    except HauberkError:
        return False


def _has_columns(path: Path, options: ScanOptions) -> bool:
    """Whether a table found in a folder is one that the named columns are about."""
    from hauberk.formats.tables import open_table

    named = {options.label, options.source, options.annotator, *options.sensitive} - {None}
    return named <= {column.name for column in open_table(path, arrays=options.arrays).columns}
