"""The tree against published vectors and an independent slow implementation."""

import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.trust.merkle import (
    EMPTY_ROOT,
    Frontier,
    leaf_hash,
    place_of,
    prove_consistency,
    prove_inclusion,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The eight leaves and the roots over the first 1 to 8 of them with which implementations
# of RFC 6962 are commonly tested.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


# RFC 9162 section 2.1 word for word, recursive and slow ---------------------------------


def slow_root(records):
    if not records:
        return hashlib.sha256(b"").digest()
    if len(records) == 1:
        return hashlib.sha256(b"\x00" + records[0]).digest()
    k = half(len(records))
    return hashlib.sha256(b"\x01" + slow_root(records[:k]) + slow_root(records[k:])).digest()


def half(n):
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def slow_path(m, records):
    if len(records) == 1:
        return []
    k = half(len(records))
    if m < k:
        return [*slow_path(m, records[:k]), slow_root(records[k:])]
    return [*slow_path(m - k, records[k:]), slow_root(records[:k])]


def slow_proof(m, records):
    return slow_subproof(m, records, known=True) if 0 < m < len(records) else []


def slow_subproof(m, records, *, known):
    if m == len(records):
        return [] if known else [slow_root(records)]
    k = half(len(records))
    if m <= k:
        return [*slow_subproof(m, records[:k], known=known), slow_root(records[k:])]
    return [*slow_subproof(m - k, records[k:], known=False), slow_root(records[:k])]


def tree(records):
    frontier, nodes = Frontier(), []
    for record in records:
        frontier.add(leaf_hash(record), nodes)
    return frontier, lambda level, index: nodes[place_of(level, index)]


records_of = st.integers(0, 70).map(lambda n: [str(i).encode() for i in range(n)])


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_published_ones(size):
    assert tree(LEAVES[:size])[0].root.hex() == ROOTS[size - 1]


def test_the_root_of_nothing_is_the_hash_of_nothing():
    assert Frontier().root == EMPTY_ROOT == hashlib.sha256().digest()


@given(records_of)
def test_the_growing_root_is_the_recursive_one(records):
    frontier, node = tree(records)
    assert frontier.root == slow_root(records) == root_of(node, 0, len(records))


@given(st.integers(0, 200))
def test_subtrees_are_stored_without_gaps_in_the_order_of_completion(size):
    nodes = []
    frontier = Frontier()
    for number in range(size):
        assert len(nodes) == place_of(0, number)
        frontier.add(leaf_hash(bytes([number % 256])), nodes)
    assert len(nodes) == 2 * size - size.bit_count()


@given(st.data())
def test_an_inclusion_proof_is_the_recursive_one_and_holds(data):
    records = data.draw(records_of.filter(bool))
    index = data.draw(st.integers(0, len(records) - 1))
    frontier, node = tree(records)
    proof = prove_inclusion(node, index, len(records))
    assert list(proof) == slow_path(index, records)
    verify_inclusion(
        proof, index=index, leaf=leaf_hash(records[index]), size=len(records), root=frontier.root
    )


@given(st.data())
def test_a_consistency_proof_is_the_recursive_one_and_holds(data):
    records = data.draw(records_of)
    old = data.draw(st.integers(0, len(records)))
    frontier, node = tree(records)
    proof = prove_consistency(node, old, len(records))
    assert list(proof) == slow_proof(old, records)
    verify_consistency(
        proof,
        old_size=old,
        old_root=slow_root(records[:old]),
        new_size=len(records),
        new_root=frontier.root,
    )


def flipped(hashes, at):
    return [bytes([h[0] ^ 1, *h[1:]]) if i == at else h for i, h in enumerate(hashes)]


@given(st.data())
def test_no_changed_inclusion_proof_holds(data):
    records = data.draw(records_of.filter(lambda r: len(r) > 1))
    size = len(records)
    index = data.draw(st.integers(0, size - 1))
    frontier, node = tree(records)
    proof = list(prove_inclusion(node, index, size))
    at = data.draw(st.integers(0, len(proof) - 1))
    wrong = [flipped(proof, at), proof[:-1], [*proof, proof[0]], proof[1:]]
    for candidate in wrong:
        with pytest.raises(TrustError):
            verify_inclusion(
                candidate,
                index=index,
                leaf=leaf_hash(records[index]),
                size=size,
                root=frontier.root,
            )
    with pytest.raises(TrustError):
        verify_inclusion(
            proof, index=index, leaf=leaf_hash(b"other"), size=size, root=frontier.root
        )


@given(st.data())
def test_no_rewritten_log_is_proven_consistent(data):
    records = data.draw(records_of.filter(lambda r: len(r) > 1))
    old = data.draw(st.integers(1, len(records) - 1))
    changed = data.draw(st.integers(0, old - 1))
    rewritten = [b"other" if i == changed else r for i, r in enumerate(records)]
    frontier, node = tree(rewritten)
    with pytest.raises(TrustError):
        verify_consistency(
            prove_consistency(node, old, len(records)),
            old_size=old,
            old_root=slow_root(records[:old]),
            new_size=len(records),
            new_root=frontier.root,
        )


@given(
    proof=st.lists(st.binary(min_size=32, max_size=32), max_size=8),
    sizes=st.tuples(st.integers(-2, 20), st.integers(-2, 20)),
    roots=st.tuples(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32)),
)
def test_an_invented_consistency_proof_never_holds(proof, sizes, roots):
    assume(sizes[0] != sizes[1] or roots[0] != roots[1])
    assume((sizes[0], roots[0]) != (0, EMPTY_ROOT))
    with pytest.raises(TrustError):
        verify_consistency(
            proof, old_size=sizes[0], old_root=roots[0], new_size=sizes[1], new_root=roots[1]
        )


@given(
    proof=st.lists(st.binary(min_size=32, max_size=32), max_size=8),
    index=st.integers(-2, 20),
    size=st.integers(-2, 20),
)
def test_an_invented_inclusion_proof_never_holds(proof, index, size):
    with pytest.raises(TrustError):
        verify_inclusion(proof, index=index, leaf=bytes(32), size=size, root=bytes([1] * 32))


def test_a_proof_of_wrong_hashes_or_endless_length_is_refused():
    for proof in ([b"short"], [bytes(32)] * 65):
        with pytest.raises(TrustError):
            verify_inclusion(proof, index=0, leaf=bytes(32), size=1, root=bytes(32))


def test_two_sizes_with_equal_roots_need_no_proof():
    verify_consistency([], old_size=3, old_root=bytes(32), new_size=3, new_root=bytes(32))


def test_an_empty_old_log_is_consistent_with_any_new_one():
    verify_consistency([], old_size=0, old_root=EMPTY_ROOT, new_size=3, new_root=bytes(32))


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_record_that_is_not_there_cannot_be_proven(index, size):
    with pytest.raises(UsageError):
        prove_inclusion(tree([b"a"] * 3)[1], index, size)


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (3, 2)])
def test_sizes_out_of_order_cannot_be_proven(old, new):
    with pytest.raises(UsageError):
        prove_consistency(tree([b"a"] * 3)[1], old, new)


def test_a_frontier_of_the_wrong_number_of_hashes_is_refused():
    with pytest.raises(ArtifactError):
        Frontier(3, [bytes(32)])
