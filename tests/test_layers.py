"""The house rules of imports and state, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lib_vlmneg

ROOT = Path(lib_vlmneg.__file__).parent
FILES = {str(path.relative_to(ROOT)): path for path in sorted(ROOT.rglob("*.py"))}
WEBUIS = {"modules", "modules_forge", "backend"}
ROOMS_OF_OURS = {"hosts", "webui", "cli", "bench", "miniature"}


def imports(source, name):
    """The full name of everything that a file imports, anywhere in it; `name` is its path below lib_vlmneg."""
    package = ["lib_vlmneg", *Path(name).parts[:-1]]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = [*above, *filter(None, [node.module])]
            yield from (".".join([*module, alias.name]) for alias in node.names)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "import_module", "__import__"):
            yield from (str(arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant))


def roots(name):
    """The top-level packages that a file imports."""
    return {found.split(".")[0] for found in imports(FILES[name].read_text(), name)}


def rooms(name):
    """The subpackages of ours that a file imports from; a module of the engine counts as a room by its name."""
    found = (item.split(".") for item in imports(FILES[name].read_text(), name))
    return {parts[1] for parts in found if parts[0] == "lib_vlmneg" and len(parts) > 1}


def room(name):
    return Path(name).parts[0] if len(Path(name).parts) > 1 else ""


ENGINE = [
    name for name in FILES if room(name) in ("", "oracles", "guidance", "attention", "push", "query") and name != "__main__.py"
]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import modules.shared as s", "modules.shared"),
        ("def f():\n from modules import shared", "modules.shared"),
        ("from ...hosts import diffusers", "lib_vlmneg.hosts.diffusers"),
        ("from . import x", "lib_vlmneg.a.b.x"),
        ("import importlib\nimportlib.import_module('gradio')", "gradio"),
    ],
)
def test_the_reader_of_imports_sees_them_all(source, found):
    assert found in set(imports(source, "a/b/c.py"))


def test_the_engine_is_found():
    assert {"guide.py", "settings.py", "record.py", "oracles/base.py", "oracles/vilt.py"} <= set(ENGINE)


@pytest.mark.parametrize("name", ENGINE)
def test_the_engine_imports_no_host_and_no_page(name):
    assert not roots(name) & (WEBUIS | {"gradio", "fastapi", "diffusers"})
    assert not rooms(name) & ROOMS_OF_OURS


@pytest.mark.parametrize("name", [name for name in FILES if room(name) != "hosts"])
def test_only_hosts_import_a_host(name):
    assert not roots(name) & WEBUIS
    assert "diffusers" not in roots(name) or room(name) == "miniature"


@pytest.mark.parametrize("name", [name for name in FILES if room(name) == "webui"])
def test_webui_imports_no_torch_and_no_sampling(name):
    assert not roots(name) & {"torch", "diffusers", "transformers"}
    assert not rooms(name) & {"guide", "decode", "oracles", "guidance", "attention", "hosts", "miniature"}


def loaded_by(*modules):
    """The top-level packages in a fresh Python after importing these modules."""
    program = f"import sys, {', '.join(modules)}; print(*{{name.split('.')[0] for name in sys.modules}})"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    return set(found.stdout.split())


def test_importing_the_engine_loads_no_model_library():
    engine = [
        ".".join(["lib_vlmneg", *Path(name).with_suffix("").parts]) for name in ENGINE if not name.endswith("__init__.py")
    ]
    assert not loaded_by(*engine) & (WEBUIS | {"gradio", "fastapi", "diffusers", "transformers"})


def test_importing_settings_and_controls_loads_no_torch():
    pure = ("settings", "schedule", "query.questions", "query.answers", "negatives", "record", "webui.accordion")
    assert not loaded_by(*(f"lib_vlmneg.{name}" for name in pure)) & {"torch", "transformers", "diffusers", "gradio", "PIL"}


def public_definitions(tree):
    """Public functions and classes of a module and the public methods of those classes."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node)


@pytest.mark.parametrize("name", [name for name in FILES if room(name) not in ("cli", "miniature")])
def test_what_is_public_says_what_it_is(name):
    tree = ast.parse(FILES[name].read_text())
    assert ast.get_docstring(tree) or name.endswith("__init__.py")
    assert [node.name for node in public_definitions(tree) if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("name", FILES)
def test_no_state_belongs_to_a_module_or_a_class(name):
    """Names at the top of a module are constants, type aliases or the logger, and nothing says `global`."""
    tree = ast.parse(FILES[name].read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global)]
    assigned = [
        target.id
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    ]
    variables = [each for each in assigned if not (each[0].isupper() or each.lstrip("_").isupper() or each.startswith("__"))]
    assert [each for each in variables if each != "logger"] == []
