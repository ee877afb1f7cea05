"""Newer packages in a folder of ours: whole or not at all, and the interpreter's own as they were."""

import json
import os
import shlex
import socket
import subprocess
import sys
import time
import zipfile
from importlib.metadata import requires, version
from pathlib import Path

import pytest

from lib_vlmneg.errors import InputError
from lib_vlmneg.oracles import packages
from lib_vlmneg.oracles.packages import RELEASES, install, installed_versions, is_installed, requirements_for
from lib_vlmneg.oracles.stopped import Stopped

HERE = Path(__file__).parent


def wheel(folder, name, number):
    """The least that pip installs."""
    info = f"{name}-{number}.dist-info"
    files = {
        f"{name}.py": f"__version__ = '{number}'",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\nRequires-Dist: torch\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in files)
    with zipfile.ZipFile(folder / f"{name}-{number}-py3-none-any.whl", "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)


@pytest.fixture
def index(tmp_path):
    """Arguments for a pip that knows two packages, both of which say that they require torch."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name, number in (("transformers", "5.0"), ("tiny", "1.0"), ("tiny", "2.0")):
        wheel(wheels, name, number)
    return ["--no-index", "--find-links", str(wheels)]


def own_packages(python=sys.executable):
    """All that an interpreter has installed, seen from a new process, with when each file list was written."""
    program = (
        "import importlib.metadata as m, json; from pathlib import Path;"
        "print(json.dumps(sorted((d.metadata['Name'], d.version, Path(d._path).stat().st_mtime) for d in m.distributions())))"
    )
    return json.loads(subprocess.run([python, "-c", program], capture_output=True, text=True, check=True, cwd="/").stdout)


def test_the_packages_are_in_the_folder_and_nowhere_else(index, tmp_path):
    folder, shown, before = tmp_path / "a folder" / "newer", [], own_packages()
    assert not is_installed(folder) and installed_versions(folder) == {}
    install(folder, shown.append, lambda: False, requirements=["transformers==5.0", "tiny==1.0"], pip_arguments=index)
    assert is_installed(folder) and installed_versions(folder) == {"transformers": "5.0", "tiny": "1.0"}
    assert json.loads((folder / "installed.json").read_text())["packages"] == installed_versions(folder)
    assert any("transformers" in line for line in shown) and not [line for line in shown if "\n" in line or not line]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["newer", "newer.txt"]
    assert own_packages() == before


def test_the_settings_of_the_users_pip_do_not_redirect_it(index, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    install(tmp_path / "newer", str, lambda: False, requirements=["tiny==1.0"], pip_arguments=index)
    assert installed_versions(tmp_path / "newer") == {"tiny": "1.0"}


def test_another_version_takes_its_place_whole_or_not_at_all(index, tmp_path):
    folder = tmp_path / "newer"
    for number in ("1.0", "2.0"):
        install(folder, str, lambda: False, requirements=[f"tiny=={number}"], pip_arguments=index)
        assert installed_versions(folder) == {"tiny": number}
    with pytest.raises(InputError):
        install(folder, str, lambda: False, requirements=["tiny==1.0", "absent==3.0"], pip_arguments=index)
    assert is_installed(folder) and installed_versions(folder) == {"tiny": "2.0"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["newer", "newer.txt", "wheels"]


def test_a_folder_in_use_stays_as_it_was(index, tmp_path, monkeypatch):
    folder = tmp_path / "newer"
    install(folder, str, lambda: False, requirements=["tiny==1.0"], pip_arguments=index)
    rename = Path.rename

    def held(this, that):
        if this.suffix == ".part":
            raise PermissionError(13, "held by another process", str(this))
        rename(this, that)

    monkeypatch.setattr(Path, "rename", held)
    monkeypatch.setattr(packages.time, "sleep", lambda seconds: None)
    with pytest.raises(InputError, match="held by another process"):
        install(folder, str, lambda: False, requirements=["tiny==2.0"], pip_arguments=index)
    assert is_installed(folder) and installed_versions(folder) == {"tiny": "1.0"}


def test_when_pip_fails_one_line_says_why_and_its_command_fills_the_folder_by_hand(index, tmp_path, monkeypatch):
    folder = tmp_path / "a folder" / "newer"
    with pytest.raises(InputError) as caught:
        install(folder, str, lambda: False, requirements=["transformers==5.0"], pip_arguments=["--no-index"])
    said = str(caught.value)
    assert said.startswith("oracle: newer packages cannot be installed (ERROR: ") and "transformers==5.0" in said
    assert "\n" not in said and f"; fill {folder} by hand: " in said
    assert not is_installed(folder)
    monkeypatch.setenv("PIP_FIND_LINKS", index[-1])
    subprocess.run([*shlex.split(said.partition("by hand: ")[2]), "--no-index"], check=True, capture_output=True)
    assert is_installed(folder) and installed_versions(folder) == {"transformers": "5.0"}


def test_a_python_without_pip_is_said(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    python = next(path for path in (tmp_path / "bare").glob("*/python*") if path.stem == "python")
    with pytest.raises(InputError, match=r"cannot be installed \(.*No module named pip\); fill"):
        install(tmp_path / "newer", str, lambda: False, str(python), ["tiny==1.0"])


def test_stopped_it_leaves_neither_pip_nor_half_a_folder(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(packages.tempfile, "tempdir", str(tmp_path / "tmp"))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # an index that never answers
        silent.settimeout(20)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        called, since = [], []

        def stopped():
            if not called:
                silent.setblocking(False)
                try:
                    called.append(silent.accept())
                    since.append(time.monotonic())
                except BlockingIOError:
                    pass
            return bool(called)

        with pytest.raises(Stopped, match=r"^oracle: the installation of newer packages was stopped; start it again"):
            install(tmp_path / "newer", str, stopped, requirements=["tiny==1.0"], pip_arguments=["--index-url", url])
        assert time.monotonic() - since[0] < 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["newer.txt", "tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [command for command in commands if str(tmp_path).encode() in command]


def test_what_was_made_for_another_python_is_not_installed(index, tmp_path):
    folder = tmp_path / "newer"
    install(folder, str, lambda: False, requirements=["transformers==5.0"], pip_arguments=index)
    (folder / "installed.json").write_text(json.dumps({"python": "3.4", "packages": {}}))
    assert not is_installed(folder)
    (folder / "installed.json").write_text("{ not JSON")
    assert is_installed(folder)  # as one filled by hand


@pytest.mark.parametrize(
    ("torch", "python", "transformers"),
    [
        ("2.1.2+cu121", (3, 10), "4.55.4"),  # AUTOMATIC1111
        ("2.3.1+cu121", (3, 10), "4.57.6"),  # Forge
        ("2.6.0+cu126", (3, 10), "4.57.6"),  # transformers 5.21 and later need Python 3.11
        ("2.6.0+cu126", (3, 11), "5.23.0"),
        ("2.13.0a0+git", (3, 13), "5.23.0"),
    ],
)
def test_each_torch_has_its_transformers(torch, python, transformers):
    assert f"transformers=={transformers}" in requirements_for(torch, python)


@pytest.mark.parametrize(("torch", "python"), [("2.0.1", (3, 10)), ("1.13.1", (3, 11)), ("2.6.0", (3, 9))])
def test_what_is_too_old_is_said(torch, python):
    with pytest.raises(InputError, match=rf"oracle: torch {torch} on Python 3\.\d+ is too old .* choose a ViLT"):
        requirements_for(torch, python)


@pytest.mark.parametrize("release", RELEASES)
def test_no_torch_is_ever_among_them_and_each_has_one_version(release):
    names = [requirement.partition("==")[0] for requirement in release.packages]
    assert len(set(names)) == len(names) and all("==" in requirement for requirement in release.packages)
    assert not {name.partition("-")[0] for name in names} & {"torch", "torchvision", "nvidia", "triton", "numpy", "pillow"}


def test_nothing_that_transformers_requires_is_missing():
    if version("transformers") not in "".join(RELEASES[0].packages):
        pytest.skip("another transformers is installed here")
    names = {requirement.partition("==")[0] for requirement in RELEASES[0].packages}
    plain = [line for line in requires("transformers") if "extra ==" not in line]
    needed = {line.split(";")[0].split("<")[0].split(">")[0].split("!")[0].strip().lower() for line in plain}
    assert needed - names == {"numpy", "typer"}  # numpy is the host's; typer is for a command line


@pytest.mark.slow
@pytest.mark.skipif("OLD_PYTHON" not in os.environ, reason="OLD_PYTHON names no interpreter with an old transformers")
def test_a_worker_has_the_newer_transformers_and_its_host_the_old_one(tmp_path):
    python, folder = os.environ["OLD_PYTHON"], tmp_path / "newer"
    before = own_packages(python)
    program = f"""
import json, sys, time
from pathlib import Path
from PIL import Image
import transformers
from lib_vlmneg.oracles.packages import install, is_installed, installed_versions
from lib_vlmneg.oracles.worker import WorkerOracle
folder = Path({str(folder)!r})
install(folder, lambda line: print(line, file=sys.stderr), lambda: False)
oracle = WorkerOracle("x", packages=folder, loader="worker_fakes:Tells")
questions = [
    "__import__('transformers').__version__", "__import__('transformers').__file__", "__import__('torch').__file__",
    "(__import__('transformers').AutoProcessor, __import__('transformers').AutoModelForImageTextToText)",
]
told = [answers[0].text for answers in oracle.ask([Image.new("L", (1, 1))], questions, 1)[0]]
oracle.close()
print(json.dumps([transformers.__version__, is_installed(folder), installed_versions(folder), told]))
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])}
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    own, installed, versions, (number, file, torch, _) = json.loads(done.stdout.splitlines()[-1])
    assert own == dict(entry[:2] for entry in before)["transformers"] != number == versions["transformers"]
    assert installed and file.startswith(str(folder)) and not torch.startswith(str(folder))
    assert own_packages(python) == before
