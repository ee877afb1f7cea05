"""One oracle in memory, shared and let go."""

import threading
import time

import torch

from lib_vlmneg.oracles.base import Oracle
from lib_vlmneg.oracles.pool import Pool


class Closing(Oracle):
    closed = False

    def ask(self, images, questions, topk):
        return []

    def close(self):
        self.closed = True


def test_an_oracle_is_loaded_once_and_shared():
    loaded = []
    pool = Pool(lambda *wanted: loaded.append(wanted) or Closing())
    assert pool.get("vilt", "cpu") is pool.get("vilt", "cpu")
    assert loaded == [("vilt", "cpu", "auto")]


def test_another_one_takes_its_place():
    pool = Pool(lambda *wanted: Closing())
    first = pool.get("vilt")
    assert pool.get("blip") is not first
    assert pool.get("vilt") is not first


def test_release_lets_go():
    pool = Pool(lambda *wanted: Closing())
    first = pool.get("vilt")
    pool.release()
    assert first.closed and pool.get("vilt") is not first


def test_nobody_uses_it_for_a_while_and_it_is_let_go():
    freed, busy = [], [True]
    pool = Pool(lambda *wanted: Closing(), idle=lambda: 0.1, busy=lambda: busy[0], freed=lambda: freed.append(pool.name))
    first = pool.get("vilt")
    time.sleep(0.4)
    assert pool.name == "vilt" and not first.closed  # a picture is being drawn
    busy.clear()
    busy.append(False)
    wait_for(lambda: first.closed)
    assert freed == [""] and pool.get("vilt") is not first


def test_used_again_and_again_it_stays():
    pool = Pool(lambda *wanted: Closing(), idle=lambda: 0.4)
    first = pool.get("vilt")
    for _ in range(6):
        time.sleep(0.1)
        pool.touch()
    assert not first.closed and pool.name == "vilt"
    wait_for(lambda: first.closed)


def test_without_a_limit_it_is_never_let_go_and_no_thread_waits():
    before = threading.active_count()
    pool = Pool(lambda *wanted: Closing())
    pool.get("vilt")
    assert threading.active_count() == before and pool.name == "vilt"


def wait_for(so, seconds=5):
    limit = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_loading_leaves_the_random_numbers_of_the_host_alone():
    before = torch.get_rng_state()
    Pool(lambda *wanted: torch.nn.Linear(3, 3)).get("vilt")
    assert torch.equal(torch.get_rng_state(), before)
