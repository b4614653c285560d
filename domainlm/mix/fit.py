"""Best-fit decreasing, compiled: millions of documents a second, and the same rows on every machine."""

# N pieces of documents, R rows, W documents of a window, L lengths

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def fit(doc_W: Ints, room: int) -> tuple[Ints, Ints, Ints, int]:
    """Pieces of documents of `doc_W` tokens in rows of `room`: their lengths, documents and rows, (N,); and R.

    Pieces are in the documents' order. One of `room + 1` is a full row and the token after it.
    """
    num_pieces = 0
    for tokens in doc_W:
        num_pieces += (tokens + room - 1) // room
    length_N = np.empty(num_pieces, np.int64)
    doc_N = np.empty(num_pieces, np.int64)
    row_N = np.empty(num_pieces, np.int64)
    count_L = np.zeros(room + 2, np.int64)
    num_rows, n = 0, 0
    for doc, tokens in enumerate(doc_W):
        left = tokens
        while left > 0:
            doc_N[n] = doc
            if left >= room:
                length_N[n] = room + 1 if left > room else room
                row_N[n] = num_rows
                num_rows += 1
            else:
                length_N[n] = left
                row_N[n] = -1
                count_L[left] += 1
            left -= room
            n += 1
    # The longest first; of one length, in the documents' order.
    at_L = np.zeros(room + 2, np.int64)
    total = 0
    for length in range(room, 0, -1):
        at_L[length] = total
        total += count_L[length]
    order = np.empty(total, np.int64)
    for n in range(num_pieces):
        if row_N[n] < 0:
            order[at_L[length_N[n]]] = n
            at_L[length_N[n]] += 1
    # Rows by what room they have left: a stack for each number of tokens, and a tree that finds the least of enough.
    leaves = 1
    while leaves < room + 1:
        leaves *= 2
    any_in = np.zeros(2 * leaves, np.bool_)
    top_L = np.full(room + 1, -1, np.int64)
    below = np.full(total + 1, -1, np.int64)
    first_row = num_rows
    for n in order:
        length = length_N[n]
        node = leaves + length
        while node > 1 and not any_in[node]:
            # Up until there is something to the right of what is too small, then down to its leftmost.
            while node > 1 and (node % 2 == 1 or not any_in[node + 1]):
                node //= 2
            if node > 1:
                node += 1
                while node < leaves:
                    node = 2 * node if any_in[2 * node] else 2 * node + 1
        if node > 1:
            has = node - leaves
            row = top_L[has]
            top_L[has] = below[row - first_row]
            if top_L[has] < 0:
                _unmark(any_in, node)
        else:
            has = room
            row = num_rows
            num_rows += 1
        row_N[n] = row
        left = has - length
        if left > 0:
            below[row - first_row] = top_L[left]
            top_L[left] = row
            node = leaves + left
            while node > 0 and not any_in[node]:
                any_in[node] = True
                node //= 2
    return length_N, doc_N, row_N, num_rows


@numba.njit(cache=True, nogil=True)
def _unmark(any_in: npt.NDArray[np.bool_], node: int) -> None:
    any_in[node] = False
    node //= 2
    while node > 0:
        any_in[node] = any_in[2 * node] or any_in[2 * node + 1]
        node //= 2
