"""Tables of what models and people write, each with the right reading of it; made without a look at the code."""

import json
from pathlib import Path

import pytest

from lib_vlmneg.query.answers import clean
from lib_vlmneg.query.prompts import asked_for
from lib_vlmneg.query.questions import subject
from lib_vlmneg.query.spotting import spotted

DATA = Path(__file__).parent / "data"


def rows(name):
    """The lines of a table."""
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def wrong(found):
    """The cases that came out wrong, one a line: what, found, right."""
    return "\n".join(f"{what!r}: {got!r}, not {right!r}" for what, got, right in found if got != right)


@pytest.mark.parametrize("kind", sorted({row["kind"] for row in rows("answers")}))
def test_an_answer_gives_its_terms(kind):
    some = [row for row in rows("answers") if row["kind"] == kind]
    assert not wrong((row["said"], list(clean(row["said"])), row["terms"]) for row in some)


@pytest.mark.parametrize("kind", sorted({row["kind"] for row in rows("subjects")}))
def test_a_prompt_has_its_subject(kind):
    some = [row for row in rows("subjects") if row["kind"] == kind]
    assert not wrong((row["prompt"], subject(row["prompt"]), row["subject"]) for row in some)


@pytest.mark.parametrize("kind", sorted({row["kind"] for row in rows("asked")}))
def test_what_a_prompt_asks_for_is_no_negative(kind):
    some = [row for row in rows("asked") if row["kind"] == kind]
    assert not wrong(((row["term"], row["prompt"]), asked_for(row["term"], row["prompt"]), row["asked"]) for row in some)


def test_an_answer_says_which_items_are_there():
    assert not wrong((row["said"], list(spotted(row["said"], row["items"])), row["found"]) for row in rows("spotting"))
