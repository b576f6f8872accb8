import threading
import time
import traceback

import pytest

from lyra_hf.inference.pipeline import Background, Prefetched


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    wait_until(lambda: set(threading.enumerate()) <= before)


def wait_until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Broken(Exception):
    pass


def items_that_break(number):
    yield from range(number)
    raise Broken


class TestPrefetched:
    @pytest.mark.parametrize("number", [0, 1, 7])
    @pytest.mark.parametrize("depth", [1, 3])
    def test_items_come_in_order(self, number, depth):
        with Prefetched(range(number), depth) as items:
            assert list(items) == list(range(number))
            assert list(items) == []

    def test_items_are_made_in_another_thread_and_not_too_far_ahead(self):
        made, threads = [], set()

        def make():
            for number in range(9):
                threads.add(threading.get_ident())
                made.append(number)
                yield number

        with Prefetched(make(), 2) as items:
            for number in items:
                wait_until(lambda: len(made) == min(number + 3, 9))  # noqa: B023
                time.sleep(0.002)
                assert len(made) == min(number + 3, 9)
        assert threading.get_ident() not in threads

    def test_an_error_comes_after_the_items_before_it_with_its_traceback(self):
        found = []

        def consume():
            with Prefetched(items_that_break(3)) as items:
                for item in items:
                    found.append(item)

        with pytest.raises(Broken) as caught:
            consume()
        assert found == [0, 1, 2]
        assert "items_that_break" in "".join(traceback.format_tb(caught.value.__traceback__))

    @pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
    def test_a_consumer_that_stops_ends_the_producer(self, error):
        def consume():
            with Prefetched(iter(int, 1)) as items:  # without end
                next(items)
                raise error

        with pytest.raises(error):
            consume()

    def test_a_producer_that_waits_for_ever_is_left_behind(self, monkeypatch):
        monkeypatch.setattr("lyra_hf.inference.pipeline._SECONDS_TO_STOP", 0.01)
        release = threading.Event()
        with pytest.raises(KeyboardInterrupt), Prefetched(iter(release.wait, True)):
            raise KeyboardInterrupt
        release.set()


class TestBackground:
    @pytest.mark.parametrize("depth", [1, 3])
    def test_items_are_used_in_order_until_the_last(self, depth):
        used, threads = [], set()

        def use(item):
            time.sleep(0.001)
            threads.add(threading.get_ident())
            used.append(item)

        with Background(use, depth) as background:
            for number in range(7):
                background.put(number)
        assert used == list(range(7))
        assert threading.get_ident() not in threads

    def test_put_waits_when_the_function_is_behind(self):
        go_on, entered = threading.Event(), []
        with Background(lambda item: go_on.wait(), 2) as background:

            def fill():
                for number in range(3):
                    background.put(number)
                    entered.append(number)

            filler = threading.Thread(target=fill)
            filler.start()
            wait_until(lambda: len(entered) == 2)
            time.sleep(0.01)
            assert entered == [0, 1]
            go_on.set()
            filler.join()

    def test_an_error_is_raised_by_a_later_put_with_its_traceback(self):
        with pytest.raises(Broken, match="0") as caught:
            feed(breaks, 100)
        assert "breaks" in "".join(traceback.format_tb(caught.value.__traceback__))

    def test_an_error_on_the_last_item_is_raised_at_the_end(self):
        with pytest.raises(Broken, match="0"):
            feed(breaks, 1)

    def test_an_error_on_an_earlier_item_goes_before_one_of_the_block(self):
        with pytest.raises(Broken, match="0"):
            feed(breaks, 1, error=ValueError)

    def test_what_waits_is_used_before_an_error_of_the_block_goes_on(self):
        used = []
        with pytest.raises(ValueError, match=r"^$"):
            feed(used.append, 5, error=ValueError)
        assert used == list(range(5))

    def test_what_waits_is_dropped_when_the_user_breaks_off(self):
        go_on, used = threading.Event(), []

        def use(item):
            go_on.wait()
            used.append(item)

        threading.Timer(0.05, go_on.set).start()
        with pytest.raises(KeyboardInterrupt):
            feed(use, 5, error=KeyboardInterrupt)
        assert used in ([], [0])


def breaks(item):
    raise Broken(item)


def feed(use, number, error=None):
    """Put so many items, five of which may wait, and then raise an error."""
    with Background(use, 5) as background:
        for item in range(number):
            background.put(item)
        if error is not None:
            raise error
