import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_vlmneg.negatives import CHUNK, Change, Ledger, Room, compose
from lib_vlmneg.query.prompts import parts
from lib_vlmneg.query.words import key
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
    ledger = Ledger(base, Settings(**limits), Room(len))
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
    ledger = Ledger(base, Settings(**limits), Room(len))
    for found in asks:
        ledger.hear(found)
        assert len(set(by_key(ledger.terms))) == len(ledger.terms)
        assert not set(by_key(ledger.terms)) & set(parts(base))


def test_a_term_that_the_users_own_negative_prompt_weighs_is_not_added_again():
    assert not Ledger("(dogs:1.3), [cat], ugly", Settings()).hear(["dog", "cat", "ugly"])


@given(BASES, LIMITS, ASKS)
def test_the_chunks_never_become_more_unless_they_may(base, limits, asks):
    ledger = Ledger(base, Settings(**{**limits, "grow": False}), Room(len))
    for found in asks:
        ledger.hear(found)
        assert not ledger.terms or Room(len).chunks(ledger.text()) <= Room(len).chunks(base)


def test_with_grow_the_chunks_may_become_one_more():
    term = "dog " * 10
    for grow, kept in ((False, ()), (True, (term,))):
        ledger = Ledger("x" * 60, Settings(grow=grow), Room(len))
        assert ledger.hear([term]).refused == (() if kept else (term,))
        assert ledger.terms == kept and ledger.crowded == (() if kept else (term,))


def test_what_the_settings_leave_out_is_not_for_lack_of_room():
    ledger = Ledger("", Settings(max_terms=1), Room(len))
    assert ledger.hear(["dog", "cat"]).refused == ("cat",) and ledger.crowded == ()


@given(BASES, ASKS)
def test_an_encoder_that_reads_one_chunk_is_never_given_two(base, asks):
    ledger = Ledger(base, Settings(), Room(len, most=1))
    for found in asks:
        ledger.hear(found)
        assert not ledger.terms or len(ledger.text()) <= CHUNK


@pytest.mark.parametrize(("tokens", "count"), [(0, 1), (1, 1), (75, 1), (76, 2), (150, 2), (151, 3)])
def test_a_chunk_is_75_tokens_and_nothing_is_one_chunk(tokens, count):
    assert CHUNK == 75 and Room(len).chunks("x" * tokens) == count


@given(BASES, LIMITS, ASKS)
def test_the_limits_hold(base, limits, asks):
    settings = Settings(**limits)
    ledger = Ledger(base, settings, Room(len))
    for found in asks:
        ledger.hear(found)
        assert not settings.max_terms or len(ledger.terms) <= settings.max_terms
        assert not settings.max_tokens or not ledger.terms or len(ledger.text()) <= settings.max_tokens
        assert settings.mode != "window" or len(ledger.terms) <= settings.window


@given(ASKS, st.integers(1, 4))
def test_the_term_that_was_not_heard_for_longest_goes_first(asks, limit):
    ledger, heard_in = Ledger("", Settings(max_terms=limit)), {}
    for number, found in enumerate(asks):
        before = ledger.terms
        heard_in.update(dict.fromkeys(by_key(found), number))
        change = ledger.hear(found)
        stayed = [heard_in[key(term)] for term in before if term in ledger.terms]
        assert all(heard_in[key(term)] <= min(stayed, default=number) for term in change.dropped)
        assert len(ledger.terms) == min(limit, len({*by_key(before), *by_key(found)}))


@given(LIMITS, st.lists(TERMS, max_size=6), st.randoms())
def test_the_same_answer_in_any_order_changes_nothing(limits, found, random):
    ledger = Ledger("ugly", Settings(**limits), Room(len))
    ledger.hear(found)
    if Settings(**limits).max_terms or limits.get("mode") == "window":
        assert not ledger.hear(found)  # what is left out stays left out
        return
    before = ledger.text()
    assert not ledger.hear(random.sample(ledger.terms, k=len(ledger.terms)))
    assert ledger.text() == before


def test_of_more_terms_than_there_is_room_for_the_first_said_stay_and_the_others_are_refused():
    ledger = Ledger("", Settings(max_terms=2))
    assert ledger.hear(["dog", "cat", "owl"]) == Change(added=("dog", "cat"), refused=("owl",))
    assert ledger.hear(["dog", "cat", "owl"]) == Change(refused=("owl",))
    assert ledger.hear(["owl"]) == Change(added=("owl",), dropped=("dog",))


def test_a_window_says_what_it_leaves_out():
    assert Ledger("", Settings(mode="window", window=1)).hear(["dog", "cat"]) == Change(added=("dog",), refused=("cat",))


def test_replaced_by_the_same_terms_in_another_order_nothing_is_written():
    ledger = Ledger("", Settings(mode="replace"))
    ledger.hear(["train", "parrot"])
    assert not ledger.hear(["parrot", "train"]) and ledger.text() == "train, parrot"


def test_room_is_made_for_a_new_term_and_the_change_says_so():
    ledger = Ledger("", Settings(max_tokens=10), Room(len))
    assert ledger.hear(["dog", "cat"]) == Change(added=("dog", "cat"))
    assert ledger.hear(["owl"]) == Change(added=("owl",), dropped=("dog",), refused=())
    assert ledger.text() == "cat, owl"


def test_a_term_that_never_fits_drops_no_other():
    ledger = Ledger("", Settings(max_tokens=10), Room(len))
    ledger.hear(["dog"])
    assert ledger.hear(["hippopotamus"]) == Change(refused=("hippopotamus",))
    assert ledger.terms == ("dog",)


@given(BASES, LIMITS, ASKS)
def test_a_change_tells_what_came_went_and_found_no_room(base, limits, asks):
    ledger = Ledger(base, Settings(**limits), Room(len))
    for found in asks:
        before = set(ledger.terms)
        change = ledger.hear(found)
        now = set(ledger.terms)
        assert set(change.added) == now - before and set(change.dropped) == before - now
        assert not set(change.refused) & now
        assert bool(change) == (before != now)
        assert set(by_key(found)) <= {*by_key([*before, *ledger.terms, *change.refused]), *parts(base)}


@given(ASKS)
def test_accumulate_keeps_every_term_in_the_order_it_came(asks):
    ledger = Ledger("", Settings())
    heard(ledger, asks)
    assert by_key(ledger.terms) == list(dict.fromkeys(key(term) for found in asks for term in found))


@given(ASKS.filter(bool))
def test_replace_keeps_the_last_answer_only(asks):
    ledger = Ledger("", Settings(mode="replace"))
    heard(ledger, asks)
    assert set(by_key(ledger.terms)) == set(by_key(asks[-1]))


@given(ASKS, st.integers(1, 4))
def test_a_window_keeps_what_was_heard_last(asks, window):
    ledger = Ledger("", Settings(mode="window", window=window))
    heard_in = {}
    for number, found in enumerate(asks):
        heard_in.update(dict.fromkeys(by_key(found), number))
        ledger.hear(found)
    assert len(ledger.terms) == min(window, len(heard_in))
    newest = [term for term in ledger.terms if heard_in[key(term)] == len(asks) - 1]
    assert len(newest) == min(window, len(set(by_key(asks[-1] if asks else []))))


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
