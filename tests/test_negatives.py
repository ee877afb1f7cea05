import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_vlmneg.query.words import key
from lib_vlmneg.negatives import CHUNK, Change, Ledger, chunks, compose
from lib_vlmneg.settings import MODES, Settings

TERMS = st.sampled_from(
    ["dog", "dogs", "cat", "big cat", "red house", "a very long name of a thing indeed", "fox", "foxes", "owl"]
)
ASKS = st.lists(st.lists(TERMS, max_size=4), max_size=6)
BASES = st.sampled_from(["", "ugly", "ugly, blurry", "dog, ugly", "(ugly:1.3), ", "x" * 60, "y" * 74, "z" * 140])
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(MODES),
        "window": st.integers(1, 4),
        "max_terms": st.integers(0, 4),
        "max_tokens": st.integers(0, 100),
        "grow": st.booleans(),
        "weight": st.sampled_from([1.0, 1.2]),
    },
)


def heard(ledger, asks):
    """The changes of all asks."""
    return [ledger.hear(found) for found in asks]


def by_key(terms):
    return [key(term) for term in terms]


@given(BASES, LIMITS, ASKS)
def test_the_users_own_negative_prompt_stays_whole_and_first(base, limits, asks):
    ledger = Ledger(base, Settings(**limits), len)
    for found in asks:
        ledger.hear(found)
        assert ledger.text().startswith(base.rstrip(", "))
    ledger.clear()
    assert ledger.terms == () and ledger.text().rstrip(", ") == base.rstrip(", ")


@pytest.mark.parametrize("base", ["", "ugly", "ugly, ", " ugly,", "ugly,, "])
def test_without_terms_the_users_own_negative_prompt_is_untouched(base):
    assert compose(base, ()) == base


@pytest.mark.parametrize(
    ("base", "text"), [("", "dog, cat"), ("ugly", "ugly, dog, cat"), ("ugly, ", "ugly, dog, cat"), ("a b,", "a b, dog, cat")]
)
def test_terms_follow_with_one_comma_each(base, text):
    assert compose(base, ["dog", "cat"]) == text


def test_each_term_has_the_weight_and_the_users_own_has_not():
    assert compose("ugly", ["dog", "cat"], 1.2) == "ugly, (dog:1.2), (cat:1.2)"


@given(BASES, LIMITS, ASKS)
def test_no_two_terms_are_the_same_but_for_the_plural(base, limits, asks):
    ledger = Ledger(base, Settings(**limits), len)
    for found in asks:
        ledger.hear(found)
        assert len(set(by_key(ledger.terms))) == len(ledger.terms)
        assert not set(by_key(ledger.terms)) & set(by_key(base.split(",")))


def test_a_term_that_the_users_own_negative_prompt_weighs_is_not_added_again():
    assert not Ledger("(dogs:1.3), [cat], ugly", Settings()).hear(["dog", "cat", "ugly"])


@given(BASES, LIMITS, ASKS)
def test_the_chunks_never_become_more_unless_they_may(base, limits, asks):
    ledger = Ledger(base, Settings(**{**limits, "grow": False}), len)
    for found in asks:
        ledger.hear(found)
        assert not ledger.terms or chunks(len(ledger.text())) <= chunks(len(base))


def test_with_grow_the_chunks_may_become_more():
    term = "dog " * 10
    for grow, kept in ((False, ()), (True, (term,))):
        ledger = Ledger("x" * 60, Settings(grow=grow), len)
        ledger.hear([term])
        assert ledger.terms == kept


@pytest.mark.parametrize(("tokens", "count"), [(0, 1), (1, 1), (75, 1), (76, 2), (150, 2), (151, 3)])
def test_a_chunk_is_75_tokens_and_nothing_is_one_chunk(tokens, count):
    assert CHUNK == 75 and chunks(tokens) == count


@given(BASES, LIMITS, ASKS)
def test_the_limits_hold(base, limits, asks):
    settings = Settings(**limits)
    ledger = Ledger(base, settings, len)
    for found in asks:
        ledger.hear(found)
        assert not settings.max_terms or len(ledger.terms) <= settings.max_terms
        assert not settings.max_tokens or not ledger.terms or len(ledger.text()) <= settings.max_tokens
        assert settings.mode != "window" or len(ledger.terms) <= settings.window


@given(ASKS, st.integers(1, 4))
def test_the_oldest_term_goes_first(asks, limit):
    ledger = Ledger("", Settings(max_terms=limit))
    for found in asks:
        before = ledger.terms
        fresh = {}
        for term in found:
            if key(term) not in by_key(before):
                fresh.setdefault(key(term), term)
        change = ledger.hear(found)
        assert ledger.terms == (*before, *fresh.values())[-limit:]
        assert change.dropped == tuple(term for term in before if term not in ledger.terms)


def test_room_is_made_for_a_new_term_and_the_change_says_so():
    ledger = Ledger("", Settings(max_tokens=10), len)
    assert ledger.hear(["dog", "cat"]) == Change(added=("dog", "cat"))
    assert ledger.hear(["owl"]) == Change(added=("owl",), dropped=("dog",), refused=())
    assert ledger.text() == "cat, owl"


def test_a_term_that_never_fits_drops_no_other():
    ledger = Ledger("", Settings(max_tokens=10), len)
    ledger.hear(["dog"])
    assert ledger.hear(["hippopotamus"]) == Change(refused=("hippopotamus",))
    assert ledger.terms == ("dog",)


@given(BASES, LIMITS, ASKS)
def test_a_change_tells_what_came_went_and_found_no_room(base, limits, asks):
    ledger = Ledger(base, Settings(**limits), len)
    for found in asks:
        before = set(ledger.terms)
        change = ledger.hear(found)
        now = set(ledger.terms)
        assert set(change.added) == now - before and set(change.dropped) == before - now
        assert not set(change.refused) & now
        assert bool(change) == (before != now)
        known = set(by_key([*before, *ledger.terms, *change.refused, *base.split(",")]))
        assert set(by_key(found)) <= known or Settings(**limits).mode == "window"


@given(ASKS)
def test_accumulate_keeps_every_term_in_the_order_it_came(asks):
    ledger = Ledger("", Settings())
    heard(ledger, asks)
    assert by_key(ledger.terms) == list(dict.fromkeys(key(term) for found in asks for term in found))


@given(ASKS.filter(bool))
def test_replace_keeps_the_last_answer_only(asks):
    ledger = Ledger("", Settings(mode="replace"))
    heard(ledger, asks)
    assert by_key(ledger.terms) == list(dict.fromkeys(by_key(asks[-1])))


@given(ASKS, st.integers(1, 4))
def test_window_keeps_the_terms_heard_last(asks, window):
    ledger = Ledger("", Settings(mode="window", window=window))
    heard(ledger, asks)
    recent = {}
    for found in asks:
        for name in dict.fromkeys(by_key(found)):
            recent.pop(name, None)
            recent[name] = True
    assert set(by_key(ledger.terms)) == set(list(recent)[-window:])


def test_a_term_heard_again_changes_nothing_and_keeps_its_first_spelling():
    for mode in MODES:
        ledger = Ledger("", Settings(mode=mode))
        ledger.hear(["dogs"])
        assert not ledger.hear(["dog"]) and ledger.terms == ("dogs",)


def test_clearing_says_what_went():
    ledger = Ledger("ugly", Settings())
    ledger.hear(["dog", "cat"])
    assert ledger.clear() == Change(dropped=("dog", "cat"))
    assert not ledger.clear()
