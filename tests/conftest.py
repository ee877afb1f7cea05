"""What all tests share: the same examples at every run, and no network. The stand-ins are in fakes.py."""

import os

import pytest
from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # on a busy machine two threads wait for each other, 20 times as long
settings.register_profile("same every time", derandomize=True, deadline=None, database=None, max_examples=60)
settings.load_profile("same every time")


@pytest.fixture(scope="module", params=["sd", "sdxl", "sd3", "flux"])
def pipe(request):
    """A tiny pipeline of each family."""
    import pipelines

    return getattr(pipelines, request.param)()


@pytest.fixture(scope="module")
def painter():
    """A tiny Stable Diffusion."""
    import pipelines

    return pipelines.sd()
