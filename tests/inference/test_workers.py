import threading

import pytest
import torch

from lyra_hf.inference.workers import Workers

every_number = pytest.mark.parametrize("threads", [1, 2, 4])
several = pytest.mark.parametrize("threads", [2, 4])


@pytest.fixture(autouse=True)
def three_threads():
    """Torch has three threads, whatever the machine, and gets its own back."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def fail_at(number):
    def function(item):
        if item == number:
            raise LookupError(f"item {item}")
        return item

    return function


@every_number
@pytest.mark.parametrize("number", [0, 1, 2, 3, 7, 50])
def test_results_come_in_the_order_of_the_items(threads, number):
    assert list(Workers(threads).map(lambda item: item**2, range(number))) == [item**2 for item in range(number)]


@several
def test_order_is_kept_though_the_first_item_is_the_last_to_be_done(threads):
    others = threading.Event()

    def function(item):
        if item == 0:
            assert others.wait(60)
        if item == threads:
            others.set()
        return item

    assert list(Workers(threads).map(function, range(20))) == list(range(20))


@several
def test_items_are_computed_side_by_side(threads):
    barrier = threading.Barrier(threads, timeout=60)
    assert len(set(Workers(threads).map(lambda _: (barrier.wait(), threading.get_ident())[1], range(threads)))) > 1


@every_number
def test_few_items_are_begun_before_they_are_fetched(threads):
    taken = 0

    def items():
        nonlocal taken
        for item in range(100):
            taken += 1
            yield item

    results = Workers(threads).map(lambda item: item, items())
    assert taken == 0
    for fetched in range(100):
        assert next(results) == fetched
        assert taken <= fetched + 2 * threads
    assert list(results) == []


@every_number
def test_an_error_surfaces_in_its_turn(threads):
    workers = Workers(threads)
    results = workers.map(fail_at(5), range(20))
    assert [next(results) for _ in range(5)] == list(range(5))
    with pytest.raises(LookupError, match="item 5"):
        next(results)
    assert torch.get_num_threads() == 3
    assert list(workers.map(fail_at(None), range(20))) == list(range(20))


@every_number
def test_an_error_among_the_items_surfaces(threads):
    def items():
        yield from range(7)
        raise LookupError("no eighth")

    workers = Workers(threads)
    with pytest.raises(LookupError, match="no eighth"):
        list(workers.map(lambda item: item, items()))
    assert torch.get_num_threads() == 3
    assert list(workers.map(lambda item: item, range(9))) == list(range(9))


@several
def test_each_operation_has_one_thread_meanwhile(threads):
    results = Workers(threads).map(lambda _: torch.get_num_threads(), range(10))
    assert set(results) == {1}
    assert torch.get_num_threads() == 3


def test_a_single_worker_leaves_torch_its_threads():
    caller = threading.get_ident()
    assert set(Workers(1).map(lambda _: (torch.get_num_threads(), threading.get_ident()), range(3))) == {(3, caller)}
    assert torch.get_num_threads() == 3


@every_number
def test_an_iterator_that_is_given_up_gives_the_threads_back(threads):
    workers = Workers(threads)
    results = workers.map(lambda item: item, range(100))
    assert next(results) == 0
    results.close()
    assert torch.get_num_threads() == 3
    assert list(workers.map(lambda item: item, range(9))) == list(range(9))
    assert torch.get_num_threads() == 3


@several
def test_an_iterator_that_is_never_begun_takes_nothing(threads):
    results = Workers(threads).map(lambda item: item, range(100))
    assert torch.get_num_threads() == 3
    results.close()
    assert torch.get_num_threads() == 3


@several
@pytest.mark.parametrize("first_to_leave", [0, 1])
@pytest.mark.parametrize("shared", [True, False])
def test_of_two_users_the_last_to_leave_gives_the_threads_back(threads, first_to_leave, shared):
    one = Workers(threads)
    users = [one, one if shared else Workers(threads)]
    iterators = [user.map(lambda item: item, range(30)) for user in users]
    assert [next(iterator) for iterator in iterators] == [0, 0]
    assert list(iterators[first_to_leave]) == list(range(1, 30))
    assert torch.get_num_threads() == 1
    assert list(iterators[1 - first_to_leave]) == list(range(1, 30))
    assert torch.get_num_threads() == 3


@several
def test_users_in_threads_of_their_own(threads):
    workers = Workers(threads)
    results = {}

    def use(user):
        results[user] = [list(workers.map(lambda item: item + user, range(20))) for _ in range(10)]

    users = [threading.Thread(target=use, args=(user,), daemon=True) for user in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join(60)
    assert not any(user.is_alive() for user in users)
    assert results == {user: [list(range(user, user + 20))] * 10 for user in range(4)}
    assert torch.get_num_threads() == 3


@every_number
def test_workers_compute_without_gradients_and_the_caller_is_left_as_it_was(threads):
    weight = torch.ones(2, requires_grad=True)

    def function(item):
        assert torch.is_inference_mode_enabled()
        return weight * item

    for result in Workers(threads).map(function, range(9)):
        assert not torch.is_inference_mode_enabled()
        assert result.is_inference()
        assert not result.requires_grad
    assert torch.is_grad_enabled()


@every_number
def test_the_caller_is_left_as_it_was_after_an_error(threads):
    with pytest.raises(LookupError):
        list(Workers(threads).map(fail_at(3), range(9)))
    assert not torch.is_inference_mode_enabled()
