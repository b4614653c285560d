from __future__ import annotations

import threading

import pytest

from domainlm.mix.prefetch import ahead


def test_items_come_in_order_from_a_thread_of_their_own():
    threads = []

    def items():
        for number in range(20):
            threads.append(threading.current_thread().name)
            yield number

    assert list(ahead(items(), 2)) == list(range(20))
    assert set(threads) == {"prefetch"}


def test_no_more_is_read_ahead_than_is_said():
    asked = []
    three = threading.Event()

    def items():
        for number in range(10):
            asked.append(number)
            if number == 3:
                three.set()
            yield number

    reader = ahead(items(), 2)
    assert next(reader) == 0
    # One is taken, two wait, and one more is in hand.
    assert three.wait(5)
    assert asked == [0, 1, 2, 3]
    reader.close()


def test_an_error_is_raised_where_its_item_would_come():
    def items():
        yield 1
        raise ValueError("shard 7 is cut")

    reader = ahead(items(), 2)
    assert next(reader) == 1
    with pytest.raises(ValueError, match="shard 7 is cut"):
        next(reader)


def test_the_thread_ends_with_who_reads():
    before = threading.active_count()
    reader = ahead(iter(range(1000)), 2)
    next(reader)
    assert threading.active_count() == before + 1
    reader.close()
    assert threading.active_count() == before
