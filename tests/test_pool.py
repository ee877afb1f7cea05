"""One oracle in memory, shared and let go."""

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


def test_loading_leaves_the_random_numbers_of_the_host_alone():
    before = torch.get_rng_state()
    Pool(lambda *wanted: torch.nn.Linear(3, 3)).get("vilt")
    assert torch.equal(torch.get_rng_state(), before)
