"""What the README and the pages of docs/ tell a reader to do and to open is there, and the README's commands run."""

import argparse
import json
import re
import shlex
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest

from lib_vlmneg import cli, miniature
from lib_vlmneg.cli import flags
from lib_vlmneg.presets import PRESETS, chosen, from_request
from lib_vlmneg.schema import schema
from lib_vlmneg.settings import Settings

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))
WORDS, PICTURES = 1000, 3
OURS = "python -m lib_vlmneg"


def blocks(path, *languages):
    """The fenced blocks of a page, by what stands behind the opening fence."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in languages]


def commands(path):
    """Each command of the plain blocks; one may go on over lines that end with a backslash."""
    lines = "\n".join(blocks(path, "", "sh", "bash")).replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line.startswith(("python ", "pip "))]


def arguments(command):
    return shlex.split(command, comments=True)[len(OURS.split()) :]


def links(path):
    """What a page links to or shows: (file, heading), as they are written."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL))
    return [link.partition("#")[::2] for link in found if not link.startswith("http")]


def headings(path):
    """As GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


def parsed(monkeypatch, given):
    """The options of a command, which is not run; argparse ends the test where it does not know a flag."""
    seen = []
    room = SimpleNamespace(**vars(cli.COMMANDS[given[0]]) | {"run": seen.append})
    monkeypatch.setitem(cli.COMMANDS, given[0], room)
    assert cli.main(given) == 0
    return seen[0]


def test_the_readme_is_a_page():
    text = README.read_text()
    assert len(text.split()) < WORDS
    assert text.count("![") <= PICTURES


def test_every_page_is_linked_from_the_readme():
    linked = {(ROOT / file).resolve() for file, _ in links(README)}
    assert [page.name for page in PAGES if page not in linked] == []


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_what_is_linked_is_there(page):
    for file, heading in links(page):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), file
        assert not heading or heading in headings(target), f"{file}#{heading}"


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_extras_that_are_installed_exist(page):
    tomllib = pytest.importorskip("tomllib")  # from Python 3.11 on
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pip = argparse.ArgumentParser()
    pip.add_argument("-e", "--editable")
    pip.add_argument("-c", "--constraint", type=Path)
    for command in (command for command in commands(page) if command.startswith("pip ")):
        said = pip.parse_args(shlex.split(command)[2:])
        assert said.editable.partition("[")[2].rstrip("]") in known
        assert said.constraint is None or (ROOT / said.constraint).is_file()


@pytest.mark.skipif(not miniature.VILT.is_dir(), reason="the weights are not trained yet")
def test_the_commands_of_the_readme_run_in_order(tmp_path, monkeypatch, capsys):
    pytest.importorskip("diffusers")
    monkeypatch.chdir(tmp_path)
    ran = [arguments(command) for command in commands(README) if command.startswith(OURS)]
    assert {given[0] for given in ran} >= {"demo", "generate"}
    for given in ran:
        assert cli.main(given) == 0, given
    assert "The guide stopped" not in capsys.readouterr().out
    assert {"demo.png", "record.json", "record.png", "seed_0.png"} <= {path.name for path in Path("out").iterdir()}
    asked = sorted({event["step"] for event in json.loads(Path("out/record.json").read_text())["events"]})
    assert asked == [0, 10]  # as the README says: the first step, and a third of 28


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_the_flags_of_every_command_are_known(page, monkeypatch):
    for command in commands(page):
        if not command.startswith(f"{OURS} ") or "$" in command:
            continue
        given = arguments(command)
        options = parsed(monkeypatch, given)
        if given[0] == "generate" and not options.replay:
            assert flags.settings_of(options, options.model).enabled or options.static or options.safree, command


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_requests_hold_what_the_schema_allows(page):
    jsonschema = pytest.importorskip("jsonschema")
    for text in blocks(page, "json"):
        given = json.loads(text)["alwayson_scripts"]["VLM Negative"]["args"][0]
        jsonschema.validate(given, schema())
        assert from_request(given).enabled


@pytest.mark.skipif(not miniature.VILT.is_dir(), reason="the weights are not trained yet")
def test_the_python_of_the_pages_runs(monkeypatch, tmp_path):
    pytest.importorskip("diffusers")
    monkeypatch.chdir(tmp_path)
    for page in PAGES:
        for text in blocks(page, "python"):
            exec(compile(text, page.name, "exec"), {})


def test_the_options_and_presets_are_all_there():
    text = (ROOT / "docs" / "options.md").read_text()
    assert [item.name for item in fields(Settings) if f"`{item.name}`" not in text] == []
    assert [flag for flag in flags.FLAGS if f"`--{flag}`" not in text] == []
    assert [name for name in PRESETS if f"| {name} |" not in text] == []
    assert chosen({}).steps == Settings().steps and "`0, 1/3`" in text
