"""Run by the WebUI at its start: says what the host offers. Installs nothing, and imports nothing heavy.

Run by hand as `python install.py --vlm [FOLDER]`, with the WebUI's own Python, it puts packages that know newer models into
models/VLM/packages of the WebUI, for a process of their own: the WebUI's packages stay as they are.
"""

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NEEDED = {"transformers": (4, 16), "torch": (2, 0), "pillow": (9, 0), "numpy": (1, 23), "gradio": (3, 41)}


def found(name: str) -> str:
    """The installed version, or an empty text."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def old(name: str) -> bool:
    """Whether a package is missing or older than we need."""
    numbers = [int(part) for part in found(name).split("+")[0].split(".")[:2] if part.isdigit()]
    return tuple(numbers) < NEEDED[name]


def newer(wanted: list[str]) -> None:
    """Installs for the worker, by default where a WebUI of this extensions folder looks for it."""
    here = Path(__file__).absolute().parent
    sys.path.insert(0, str(here))
    from lib_vlmneg.errors import InputError
    from lib_vlmneg.oracles.packages import install

    folder = Path(wanted[0]) if wanted else here.parents[1] / "models" / "VLM" / "packages"
    try:
        install(folder, print, lambda: False)
    except InputError as error:
        sys.exit(str(error))
    print(f"VLM Negative: newer models can be used now, with the packages in {folder}.")


if __name__ == "__main__" and sys.argv[1:2] == ["--vlm"]:
    newer(sys.argv[2:])
elif __name__ == "__main__":
    seen = ", ".join(f"{name} {found(name) or 'missing'}" for name in NEEDED)
    lacking = [f"{name} {'.'.join(map(str, least))} or later" for name, least in NEEDED.items() if old(name)]
    print(f"VLM Negative: {seen}." + (f" It needs {', '.join(lacking)}." if lacking else " ViLT can be used."))
