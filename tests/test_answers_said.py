"""Tables of what models and people write, each with the right reading of it; made without a look at the code."""

import json
import random
import time
from pathlib import Path

import pytest

from lib_vlmneg.query.answers import clean
from lib_vlmneg.query.prompts import asked_for
from lib_vlmneg.query.spotting import spotted
from lib_vlmneg.query.subject import subject
from lib_vlmneg.query.term import MOST_WORDS

DATA = Path(__file__).parent / "data"
SIGNS = "()[]{}<>:|\\,;_\n\t*#\"'`-&/.!? "
SYNTAX = set("()[]{}<>:|\\,;_\n\r\t\v\f\x1c\x1d\x1e\x85\u2028\u2029")
MUTATED, MOST_SECONDS = 3000, 3


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


def mutated(said, rows, dice):
    """An answer with signs put in and taken out, said twice over, or with another in its midst; of 3000 signs at most."""
    for _ in range(dice.randint(1, 8)):
        place = dice.randint(0, len(said))
        before, after = said[:place], said[place:]
        said = dice.choice(
            (
                before + dice.choice(SIGNS) + after,
                before + chr(dice.choice((dice.randrange(32, 127), dice.randrange(160, 0xD800)))) + after,
                before + after[1:],
                before + dice.choice(rows) + after,
                said * 2,
            )
        )
    return said[:3000]


def test_no_answer_however_garbled_gives_prompt_syntax_or_takes_long():
    dice = random.Random(20)
    said = [row["said"] for row in rows("answers")]
    garbled = [mutated(dice.choice(said), said, dice) for _ in range(MUTATED)]
    begun = time.process_time()
    found = [clean(one) for one in garbled]
    assert time.process_time() - begun < MOST_SECONDS
    assert not [term for terms in found for term in terms if set(term) & SYNTAX]
    assert {len(term.split()) for terms in found for term in terms} <= set(range(1, MOST_WORDS + 1))
