"""Run by the WebUI at its start: says what the host offers. Installs nothing, and imports nothing heavy."""

from importlib.metadata import PackageNotFoundError, version

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


if __name__ == "__main__":
    seen = ", ".join(f"{name} {found(name) or 'missing'}" for name in NEEDED)
    lacking = [f"{name} {'.'.join(map(str, least))} or later" for name, least in NEEDED.items() if old(name)]
    print(f"VLM Negative: {seen}." + (f" It needs {', '.join(lacking)}." if lacking else " ViLT can be used."))
