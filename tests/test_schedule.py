import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_vlmneg.errors import InputError
from lib_vlmneg.presets import DEFAULT, PAPER, PRESETS, preset
from lib_vlmneg.schedule import Clock, Rhythm, Schedule, check_steps, moments, resolve, step_of, step_of_sigma
from lib_vlmneg.settings import Settings

STEPS = st.integers(1, 150)


@given(STEPS, STEPS)
def test_calls_are_spread_evenly_over_the_steps(steps, calls):
    found = [step_of(call, steps, calls) for call in range(calls)]
    assert found == [min(call * steps // calls, steps - 1) for call in range(calls)]
    assert found[0] == 0 and found == sorted(found) and found[-1] < steps
    if calls >= steps:
        assert set(found) == set(range(steps))


@given(STEPS)
def test_a_second_order_sampler_has_two_calls_a_step_and_one_at_the_end(steps):
    calls = 2 * steps - 1
    found = [Clock(steps, calls).step(call) for call in range(calls)]
    assert all(found.count(step) == 2 for step in range(steps - 1)) and found.count(steps - 1) == 1


def test_calls_past_the_expected_ones_do_not_leave_the_run():
    assert [Clock(4, 4).step(call) for call in (3, 4, 100)] == [3, 3, 3]
    assert [Clock(4, None).step(call) for call in (0, 3, 4, 100)] == [0, 3, 3, 3]


SIGMAS = (14.0, 7.0, 3.0, 1.0, 0.2)


@pytest.mark.parametrize(
    ("sigma", "step"), [(20.0, 0), (14.0, 0), (9.0, 0), (7.0, 1), (6.9, 1), (3.0, 2), (0.2, 4), (0.1, 4), (0.0, 4)]
)
def test_the_noise_level_tells_the_step(sigma, step):
    assert step_of_sigma(sigma, SIGMAS) == step


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=30, unique_by=lambda sigma: round(sigma, 3)))
def test_each_noise_level_of_the_run_is_its_own_step_also_when_rounded(sigmas):
    sigmas = sorted(sigmas, reverse=True)
    assert [step_of_sigma(sigma, sigmas) for sigma in sigmas] == list(range(len(sigmas)))
    assert [step_of_sigma(sigma * (1 + 1e-7), sigmas) for sigma in sigmas] == list(range(len(sigmas)))


def test_the_noise_level_counts_only_past_the_expected_calls_or_when_none_are_known():
    assert Clock(5, 5, SIGMAS).step(1, sigma=0.2) == 1
    assert Clock(5, 5, SIGMAS).step(9, sigma=3.0) == 2
    assert Clock(5, None, SIGMAS).step(9, sigma=3.0) == 2


def test_the_integer_one_is_step_one_and_the_float_one_is_the_end():
    assert resolve(1, 20) == 1
    assert resolve(1.0, 20) == 20
    assert Schedule.of(Settings(steps=(), stop=1), 20).wanted == (0,)
    assert Schedule.of(Settings(steps=(), stop=1.0), 20).wanted == tuple(range(19))


@given(st.integers(0, 300), STEPS)
def test_a_step_is_itself_in_any_run(step, steps):
    assert resolve(step, steps) == step


@given(STEPS, st.data())
def test_a_share_of_the_run_is_the_first_step_not_before_it(steps, data):
    step = data.draw(st.integers(0, steps))
    assert resolve(step / steps, steps) == step
    assert resolve(min(1.0, (step + 0.5) / steps), steps) == min(step + 1, steps)


@given(STEPS, st.integers(0, 160) | st.floats(0, 1), st.integers(0, 160) | st.floats(0, 1), st.integers(1, 9), st.booleans())
def test_a_schedule_asks_from_start_to_stop_at_every_nth_step_where_it_can_act(steps, start, stop, every, clear):
    first = start if isinstance(start, int) else math.ceil(start * steps - 1e-9)
    end = min(stop if isinstance(stop, int) else math.ceil(stop * steps - 1e-9), steps)
    if first >= end or (type(start) is type(stop) and start >= stop):
        with pytest.raises(InputError, match=r"^start: "):
            Schedule.of(Settings(steps=(), start=start, stop=stop, every=every, clear_at_stop=clear), steps)
        return
    acts = end if clear else steps
    expected = [step for step in range(steps) if first <= step < end and (step - first) % every == 0 and step + 1 < acts]
    schedule = Schedule.of(Settings(steps=(), start=start, stop=stop, every=every, clear_at_stop=clear), steps)
    assert schedule == Schedule(tuple(expected), end)


@given(STEPS, st.lists(st.integers(0, 160), min_size=1, max_size=8))
def test_listed_steps_are_asked_whatever_start_stop_and_every_say(steps, listed):
    schedule = Schedule.of(Settings(steps=sorted(listed), start=2, stop=3, every=4), steps)
    assert schedule.wanted == tuple(sorted({step for step in listed if step < steps - 1}))


@pytest.mark.parametrize(
    ("steps", "asked"),
    [(1, ()), (2, (0,)), (3, (0, 1)), (4, (0, 2)), (8, (0, 3)), (20, (0, 7)), (28, (0, 10)), (30, (0, 10)), (50, (0, 17))],
)
def test_by_default_two_steps_ask_and_none_whose_answer_could_not_act(steps, asked):
    assert Schedule.of(preset(DEFAULT), steps).wanted == asked
    check_steps(preset(DEFAULT), steps)


@given(STEPS)
def test_the_preset_paper_asks_at_every_step_but_the_last(steps):
    assert Schedule.of(preset(PAPER), steps).wanted == tuple(range(steps - 1))


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("Creative", (0, 4, 8, 12)),  # the answer of step 16 would be dropped at once
        ("Declutter", (6, 9, 12, 15, 18, 21, 24)),
        ("Safety", (3, 4, 6, 7, 9, 12, 16, 20, 24)),
        ("Safety, VL-DNP", (3, 4, 6, 7, 9, 12, 16, 20, 24)),
        ("Safety, VL-DNP in five asks", (3, 6, 12, 17, 23)),
    ],
)
def test_the_other_presets_ask_when_they_did(name, asked):
    assert Schedule.of(preset(name), 28).wanted == asked


def test_that_is_all_of_them():
    assert list(PRESETS)[:2] == [DEFAULT, PAPER] and len(PRESETS) == 7


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        ("5, 1/4, 6", (5, 6)),  # a quarter of twenty is step 5 too
        ("8 0.1 1/3", (2, 7, 8)),
        ("0 0.0 1", (0, 1)),
        ("1.0", ()),
    ],
)
def test_steps_and_shares_are_put_in_order_once_the_length_is_known(listed, asked):
    assert Schedule.of(Settings(steps=listed), 20).wanted == asked


@given(STEPS, st.fractions(0, 1, max_denominator=60))
def test_a_fraction_is_the_first_step_that_is_so_far_through_the_run(steps, share):
    found = resolve(share, steps)
    assert found >= share * steps > found - 1


def test_a_step_beyond_the_run_is_bad_input():
    with pytest.raises(InputError, match=r"^steps: 9 is no step of a run of 9; leave it out, or say with steps_of"):
        check_steps(Settings(steps=[0, "1/2", 9]), 9)
    check_steps(Settings(steps=[0, "1/2", 9]), 10)
    check_steps(Settings(steps=[0, "1/2", 9], steps_of=10), 3)


def test_shares_are_not_scaled():
    assert moments((5, Fraction(1, 2)), 10, 40) == (20,)
    assert moments((4, Fraction(1, 2)), 10, 40) == (16, 20)


TEN = (5, 6, 7, 9, 12, 16, 21, 27, 34, 42)  # of 50, Chang, Kim and Choi 2025


@pytest.mark.parametrize(
    ("steps", "asked"),
    [(50, TEN), (100, tuple(2 * step for step in TEN)), (25, (3, 4, 5, 6, 8, 11, 14, 17, 21)), (5, (1, 2, 3))],
)
def test_steps_of_a_run_are_scaled_to_this_one(steps, asked):
    assert Schedule.of(Settings(steps=TEN, steps_of=50), steps).wanted == asked


@given(STEPS, STEPS, st.data())
def test_a_scaled_step_is_the_first_one_that_is_as_far_through_the_run(of, steps, data):
    step = data.draw(st.integers(0, of - 1))
    (found,) = moments([step], of, steps)
    assert found * of >= step * steps > (found - 1) * of


def test_nothing_is_asked_in_a_run_of_one_step():
    assert Schedule.of(Settings(steps=()), 1).wanted == ()


def test_an_answer_that_would_be_cleared_at_once_is_not_asked_for():
    assert Schedule.of(Settings(steps=(), stop=4, clear_at_stop=True), 10).wanted == (0, 1, 2)
    assert Schedule.of(Settings(steps=[1, 3, 7], stop=4, clear_at_stop=True), 10).wanted == (1,)


def test_a_start_behind_the_end_of_the_run_is_bad_input():
    with pytest.raises(InputError, match=r"^start: 30 .* stop 1.0 .* 20 steps"):
        Schedule.of(Settings(steps=(), start=30), 20)


def asks(settle, fruitful, chances):
    """At which chances an image asks; `fruitful` are the asks (by number) that add something."""
    rhythm, found = Rhythm(settle), []
    for chance in range(chances):
        if rhythm.due():
            rhythm.heard(len(found) in fruitful)
            found.append(chance)
    return found


def test_after_two_fruitless_asks_every_second_chance_then_every_fourth():
    assert asks(2, set(), 20) == [0, 1, 3, 5, 9, 13]


def test_an_ask_that_adds_something_brings_the_full_pace_back():
    assert asks(2, {3}, 12) == [0, 1, 3, 5, 6, 7, 9, 11]


@given(st.integers(1, 6))
def test_each_pace_lasts_settle_asks_and_is_half_the_one_before(settle):
    found = asks(settle, set(), 7 * settle)
    gaps = [later - earlier for earlier, later in zip([-1, *found], found)]
    assert gaps == [1] * settle + [2] * settle + [4] * settle


@given(st.sets(st.integers(0, 30)))
def test_without_settle_every_chance_is_taken(fruitful):
    assert asks(0, fruitful, 30) == list(range(30))
