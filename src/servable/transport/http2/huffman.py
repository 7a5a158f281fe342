"""The Huffman code of header strings (RFC 7541, section 5.2 and appendix B).

The code is canonical: codes are counted upwards in the order of their lengths, and within a
length in the order of the symbols. So the lengths alone give it.
"""

from __future__ import annotations

from collections.abc import Iterator

END_OF_STRING = 256
"""The symbol that is in no string: only the first bits of its code are, as padding."""

_LENGTHS = (
    "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca"
    "d67777777777777777777777878djde6f56565666577666567655677777fbeds"
    "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn"
    "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq"
    "u"
)
"""The length of each symbol's code in bits, as digits to base 36."""

_PADDING_BITS = 7


def codes() -> Iterator[tuple[int, int, int]]:
    """Yield each symbol, its code and the code's length in bits, the shortest codes first."""
    code = last = 0
    lengths = [int(digit, 36) for digit in _LENGTHS]
    for symbol in sorted(range(len(lengths)), key=lengths.__getitem__):
        code <<= lengths[symbol] - last
        last = lengths[symbol]
        yield symbol, code, last
        code += 1


def _tree() -> list[int]:
    """Return the code as a tree.

    The children of node n are at 2n and 2n + 1: a node, or the complement of a symbol. The
    root is node 0, which is nobody's child, so that 0 marks a child yet to be made.
    """
    tree = [0, 0]
    for symbol, code, length in codes():
        node = 0
        for shift in range(length - 1, 0, -1):
            child = 2 * node + (code >> shift & 1)
            if not tree[child]:
                tree[child] = len(tree) // 2
                tree += (0, 0)
            node = tree[child]
        tree[2 * node + (code & 1)] = ~symbol
    return tree


class _Steps(dict[int, tuple[int, bytes]]):
    """What a byte does at a node: the next node, and the symbols that are complete.

    The key is the node times 256 plus the byte; the next node is times 256 already. An entry
    is made when it is first asked for: header strings use few of the 65,536, which would take
    12 MB. Threads may make one at the same time, and make the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tree = _tree()

    def __missing__(self, key: int) -> tuple[int, bytes]:
        node, byte = key >> 8, key & 0xFF
        text = bytearray()
        for shift in range(7, -1, -1):
            node = self._tree[2 * node + (byte >> shift & 1)]
            if node == ~END_OF_STRING:
                raise ValueError("a Huffman-coded string holds the end-of-string symbol")
            if node < 0:
                text.append(~node)
                node = 0
        step = self[key] = node << 8, bytes(text)
        return step

    def ends(self) -> frozenset[int]:
        """Return the nodes, times 256, that a string may end at: at most seven ones down."""
        node = 0
        found = {node}
        for _ in range(_PADDING_BITS):
            node = self._tree[2 * node + 1]
            found.add(node << 8)
        return frozenset(found)


_STEPS = _Steps()
_ENDS = _STEPS.ends()


def decode(data: bytes) -> bytes:
    """Return the string that `data` is the code of.

    Raises:
        ValueError: the end-of-string symbol is in it, or the padding is longer than seven
            bits or not all ones.
    """
    node = 0
    out = bytearray()
    for byte in data:
        node, text = _STEPS[node | byte]
        out += text
    if node not in _ENDS:
        raise ValueError("a Huffman-coded string does not end in up to seven one bits")
    return bytes(out)
