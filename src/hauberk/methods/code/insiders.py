"""Patterns by which an insider hides a special case: each asks for a second person.

None of them is a defect by itself; honest code has them too, rarely. So they are told for
review and never fail a scan alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from hauberk.methods.code.chosen_rows import chosen_row_hits
from hauberk.methods.code.flow import scopes_of
from hauberk.methods.code.hollow_gates import hollow_gate_hits
from hauberk.methods.code.honest_counts import bent_counts, told_questions
from hauberk.methods.code.insider_bends import (
    bent_conditions,
    bent_figures,
    bent_gates,
    bent_modules,
    bent_weights,
    skipped_steps,
)
from hauberk.methods.code.insider_changes import labels, patches, protections, weights
from hauberk.methods.code.insider_checks import conditions, tries
from hauberk.methods.code.insider_figures import constants, floors
from hauberk.methods.code.insider_occasions import occasion_hits, whole_column_hits
from hauberk.methods.code.insider_rows import drawn_over, rewritten_rows, stamped
from hauberk.methods.code.insider_verdicts import ignored, replaced, unmeasured, weakened
from hauberk.methods.code.left_out_asserts import asserted_gates
from hauberk.methods.code.marked_inputs import marked_input_hits
from hauberk.methods.code.python_index import Index
from hauberk.methods.code.rules import Hit


def insider_hits(index: Index) -> Iterator[Hit]:
    """Hits of one module."""
    for scope in scopes_of(index):
        yield from constants(index, scope)
        yield from floors(index, scope)
        yield from labels(index, scope)
        yield from weights(index, scope)
        yield from rewritten_rows(index, scope)
        yield from stamped(index, scope)
        yield from unmeasured(index, scope)
        yield from weakened(index, scope)
        yield from bent_figures(index, scope)
        yield from bent_gates(index, scope)
        yield from bent_weights(index, scope)
        yield from whole_column_hits(index, scope)
        yield from marked_input_hits(index, scope)
        yield from chosen_row_hits(index, scope)
        yield from bent_counts(index, scope)
    yield from tries(index)
    yield from conditions(index)
    yield from patches(index)
    yield from protections(index)
    yield from ignored(index)
    yield from replaced(index)
    yield from drawn_over(index)
    yield from bent_conditions(index)
    yield from bent_modules(index)
    yield from skipped_steps(index)
    yield from occasion_hits(index)
    yield from asserted_gates(index)
    yield from hollow_gate_hits(index)
    yield from told_questions(index)
