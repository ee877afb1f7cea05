"""A genuine WebUI, started for these tests: WEBUI_DIR is an installed host's folder, WEBUI_PYTHON its interpreter."""

import os
from pathlib import Path

import pytest

from .server import Server

MISSING = [name for name in ("WEBUI_DIR", "WEBUI_PYTHON") if not os.environ.get(name)]


def pytest_collection_modifyitems(items):
    """Without a host these tests are skipped, and say why."""
    if MISSING:
        for item in items:
            if "tests/webui" in item.path.as_posix():
                item.add_marker(pytest.mark.skip(reason=f"no host: set {' and '.join(MISSING)}"))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """The exported miniature; WEBUI_CHECKPOINT names another where the host does not load it (Forge)."""
    if named := os.environ.get("WEBUI_CHECKPOINT"):
        return named
    from lib_vlmneg.miniature.export import main

    folder = tmp_path_factory.mktemp("checkpoint")
    main([str(folder)])
    return str(next(folder.glob("*.safetensors")))


@pytest.fixture(scope="session")
def without(checkpoint, tmp_path_factory):
    """Plain pictures of the host without the extension, by the request that made them."""
    requests = [{}, {"sampler_name": "DDIM"}, {"negative_prompt": "blurry", "batch_size": 2}]
    with Server(tmp_path_factory.mktemp("without"), checkpoint, extension=False) as server:
        return [(request, server.draw(**request).pixels) for request in requests]


@pytest.fixture(scope="session")
def server(checkpoint, tmp_path_factory):
    """The host with the extension, and the probe."""
    with Server(tmp_path_factory.mktemp("with"), checkpoint, beside=[Path(__file__).parent / "probe"]) as server:
        yield server


@pytest.fixture(scope="session")
def refiner(checkpoint, server):
    """The same checkpoint but for its text encoder, whose words mean something else."""
    from safetensors.torch import load_file, save_file

    path = server.folder / "models" / "Stable-diffusion" / "refiner.safetensors"
    weights = load_file(checkpoint)
    words = next(name for name in weights if name.endswith("token_embedding.weight"))
    save_file(weights | {words: weights[words].flip(0).contiguous()}, path)
    if (beside := Path(checkpoint).with_suffix(".yaml")).is_file():
        path.with_suffix(".yaml").write_text(beside.read_text())
    server.call("/sdapi/v1/refresh-checkpoints", {})
    return path.name
