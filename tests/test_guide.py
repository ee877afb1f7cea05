import logging
import threading
import time

import pytest
import torch
from fakes import CountingDecoder, Failing, Scripted, latents, make_guide, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from lib_vlmneg.decode import to_images
from lib_vlmneg.negatives import Room
from lib_vlmneg.oracles.base import Answer
from lib_vlmneg.record import Record, Timeline
from lib_vlmneg.settings import MODES

STEPS = 8
PETS = ["a dog", "dogs", "cat", "it is a fox", "unknown", "no dog", "pet", "owl and cat"]
SCRIPTS = st.dictionaries(
    st.tuples(st.integers(0, 3), st.integers(0, STEPS - 1)), st.lists(st.sampled_from(PETS), max_size=2), max_size=24
)
BUSY = st.lists(  # every image says something at every step, often the same things in another order
    st.lists(
        st.sampled_from(["dog", "cat", "fox", "cat and dog", "dog and cat", "fox and dog", "pet"]), min_size=1, max_size=2
    ),
    min_size=2 * STEPS,
    max_size=2 * STEPS,
).map(lambda said: {(index % 2, index // 2): texts for index, texts in enumerate(said)})
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(MODES),
        "window": st.integers(1, 3),
        "settle": st.integers(0, 3),
        "every": st.integers(1, 3),
        "topk": st.integers(1, 2),
        "max_terms": st.integers(0, 2),
        "stop": st.sampled_from([5, 1.0]),
        "clear_at_stop": st.booleans(),
        "weight": st.sampled_from([1.0, 1.2]),
    },
)


def test_a_term_found_at_a_step_acts_from_the_next_one_on():
    used = sample(make_guide(Scripted({(0, 1): ["a dog"], (0, 3): ["cat"]})))
    assert used == [None, None, ["ugly, dog"], ["ugly, dog"], ["ugly, dog, cat"], ["ugly, dog, cat"]]


def test_a_term_does_not_act_in_the_second_call_of_its_own_step():
    used = sample(make_guide(Scripted({(0, 1): ["dog"]}), total=3, calls=5))
    assert used == [None, None, None, None, ["ugly, dog"]]


@given(st.integers(1, 20), st.integers(1, 60), st.integers(1, 4))
def test_each_wanted_step_is_asked_once_however_often_it_is_called(steps, calls, every):
    oracle = Scripted({})
    guide = make_guide(oracle, total=steps, calls=calls, every=every)
    sample(guide)
    reached = {guide.clock.step(call) for call in range(calls)}
    assert oracle.asked == [(0, step) for step in guide.schedule.wanted if step in reached]


def test_a_second_order_sampler_asks_about_every_step_but_the_last():
    oracle = Scripted({})
    sample(make_guide(oracle, total=5, calls=9))
    assert [step for _, step in oracle.asked] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({"every": 3}, [0, 3, 6]),
        ({"start": 2, "stop": 0.5}, [2, 3]),
        ({"steps": [1, 6, 7]}, [1, 6]),
        ({"stop": 1}, [0]),
        ({"stop": 5, "clear_at_stop": True}, [0, 1, 2, 3]),
    ],
)
def test_a_step_that_does_not_ask_does_not_decode_either(options, asked):
    oracle, decoder = Scripted({}), CountingDecoder()
    sample(make_guide(oracle, total=STEPS, decoder=decoder, **options))
    assert [step for _, step in oracle.asked] == asked
    assert len(decoder.decoded) == len(asked)


def test_only_the_images_that_are_due_are_decoded():
    script = {(0, step): [f"thing{step}"] for step in range(STEPS)}
    decoder = CountingDecoder()
    oracle = Scripted(script)
    sample(make_guide(oracle, total=STEPS, images=2, settle=1, decoder=decoder))
    assert [step for image, step in oracle.asked if image == 1] == [0, 2, 6]
    assert decoder.decoded == [2, 1, 2, 1, 1, 1, 2]


def test_wants_says_beforehand_whether_a_call_is_looked_at():
    guide = make_guide(Scripted({}), total=4, calls=7, every=2)
    looked = []
    for call in range(7):
        looked.append(guide.wants(call))
        guide.observe(call, None, torch.zeros(1, 3, 4, 4))
    assert looked == [True, False, False, False, True, False, False]


def test_without_an_oracle_nothing_is_decoded_and_nothing_negated():
    decoder = CountingDecoder()
    assert sample(make_guide(None, decoder=decoder)) == [None] * 6
    assert decoder.decoded == []


@given(SCRIPTS, OPTIONS)
def test_an_image_of_a_batch_gets_what_it_would_get_alone(script, options):
    prompts = ["a photo of a pet", "a dog", "a photo of a pet", "a fox"]
    bases = ["ugly", "", "ugly, cat", "blurry"]
    together = make_guide(Scripted(script), total=STEPS, prompts=prompts, negatives=bases, questions=["auto"], **options)
    used = sample(together)
    for image in range(4):
        single = [[prompts[image]], [bases[image]]]
        alone = make_guide(Scripted(script), STEPS, prompts=single[0], negatives=single[1], questions=["auto"], **options)
        expected = [now[0] if now else bases[image] for now in sample(alone, [image])]
        assert [now[image] if now else bases[image] for now in used] == expected
        assert together.record.timelines[image].changes == alone.record.timelines[0].changes


@pytest.mark.parametrize("own", ["ugly, ", "", " ugly,"])
def test_an_image_without_terms_keeps_its_own_negative_prompt_to_the_letter(own):
    used = sample(make_guide(Scripted({(1, 0): ["dog"]}), total=3, negatives=[own, own]))
    assert [now[0] for now in used if now] == [own, own]


def test_images_with_the_same_questions_are_asked_in_one_pass():
    oracle = Scripted({})
    make = {"prompts": ["a pet", "a house", "a pet"], "negatives": [""] * 3, "questions": ["auto", "What color?"], "topk": 2}
    sample(make_guide(oracle, total=2, **make))
    what = "What {} do you recognize in the image?"
    assert oracle.calls == [(2, (what.format("pet"), "What color?"), 2), (1, (what.format("house"), "What color?"), 2)]
    assert oracle.asked == [(0, 0), (2, 0), (1, 0)]


def test_answers_below_the_least_score_are_not_used():
    script = {(0, 0): [Answer("dog", 0.5), Answer("cat", 0.49), Answer("owl")]}
    assert sample(make_guide(Scripted(script), total=2, topk=3, min_score=0.5))[-1] == ["ugly, dog, owl"]


def test_prompt_suffix_and_weight_make_the_negative():
    script = {(0, 0): ["wood and brick and pets"]}
    chosen = {"suffix": "building", "weight": 1.2}
    assert sample(make_guide(Scripted(script), total=2, **chosen))[-1] == ["ugly, (wood building:1.2), (brick building:1.2)"]
    negated = sample(make_guide(Scripted(script), total=2, negate_prompt=True))[-1]
    assert negated == ["ugly, wood, brick, pets"]


def test_the_tokens_are_counted_for_the_chunks():
    guide = make_guide(Scripted({(0, 0): ["elephant"]}), total=2, negatives=["x" * 70], room=Room(len), grow=False)
    assert sample(guide) == [None, None]
    assert guide.record.events[0].refused == ("elephant",)
    assert guide.record.note == (
        "the negative prompt leaves no room for elephant, which did not act; "
        "shorten it, or let the terms take a chunk more (grow)"
    )


@pytest.mark.parametrize(("negative", "most", "acts"), [("x" * 75, None, True), ("x" * 75, 1, False), ("x" * 80, 1, False)])
def test_a_full_negative_prompt_gets_one_more_chunk_where_the_encoder_reads_one(negative, most, acts):
    guide = make_guide(Scripted({(0, 0): ["dog"]}), total=2, negatives=[negative], room=Room(len, most=most))
    assert sample(guide)[1] == ([f"{negative}, dog"] if acts else None)
    assert (guide.record.note == "") is acts


def test_the_record_tells_what_was_asked_said_added_and_is_in_force():
    guide = make_guide(
        Scripted({(0, 0): [Answer("a dog", 0.9)], (0, 1): ["Cat."]}), total=3, mode="replace", questions=["What?"]
    )
    guide.observe(0, 14.5, torch.zeros(1, 3, 4, 4))
    guide.observe(1, 7.0, torch.tensor([0.0, 1, 0])[None, :, None, None].expand(1, 3, 4, 4))
    first, second = guide.record.events
    assert (first.step, first.image, first.sigma, first.questions) == (0, 0, 14.5, ("What?",))
    assert (first.answers, first.added, first.negative) == (((("a dog", 0.9),),), ("dog",), "ugly, dog")
    assert (second.step, second.sigma, second.answers) == (1, 7.0, ((("Cat.", None),),))
    assert (second.added, second.dropped, second.negative) == (("cat",), ("dog",), "ugly, cat")
    assert guide.record.oracle == "scripted" and guide.record.failure is None


def test_the_record_has_the_seconds_of_each_step():
    guide = make_guide(Scripted({(0, 0): ["dog"]}), total=3)
    sample(guide)
    guide.encoded(1, 0.25)
    guide.encoded(1, 0.5)
    assert [timing.step for timing in guide.record.timings] == [0, 1]
    assert all(timing.decode > 0 and timing.ask > 0 for timing in guide.record.timings)
    assert [timing.encode for timing in guide.record.timings] == [0, 0.75]


@settings(max_examples=150)
@given(BUSY, OPTIONS)
def test_the_negative_in_an_event_is_the_one_that_acts_at_the_next_step(script, options):
    guide = make_guide(Scripted(script), total=STEPS, images=2, **options)
    used = sample(guide)
    for event in guide.record.events:
        now = used[event.step + 1]
        assert (now[event.image] if now else "ugly") == event.negative


def test_who_watches_sees_each_event_with_its_picture():
    seen = []
    guide = make_guide(
        Scripted({(1, 0): ["dog"]}), total=2, images=2, watch=lambda event, picture: seen.append((event, picture))
    )
    sample(guide)
    assert [event for event, _ in seen] == guide.record.events
    assert [picture.getpixel((0, 0)) for _, picture in seen] == [(0, 0, 0), (1, 0, 0)]


def test_an_oracle_that_always_fails_is_asked_once_and_nothing_is_negated(caplog):
    oracle, decoder = Failing(), CountingDecoder()
    guide = make_guide(oracle, decoder=decoder)
    with caplog.at_level(logging.WARNING):
        assert sample(guide) == [None] * 6
    assert (oracle.calls, len(decoder.decoded)) == (1, 1)
    assert guide.record.failure == "step 0: RuntimeError: the model is gone"
    assert len(caplog.records) == 1 and guide.record.failure in caplog.text


class FailsLater(Scripted):
    """Answers until the step `last`, then raises."""

    last = 2

    def ask(self, images, questions, topk):
        if images[0].getpixel((0, 0))[1] > self.last:
            raise MemoryError
        return super().ask(images, questions, topk)


def test_terms_found_before_a_failure_stay(caplog):
    guide = make_guide(FailsLater({(0, 0): ["dog"], (0, 2): ["cat"], (0, 4): ["owl"]}))
    with caplog.at_level(logging.WARNING):
        used = sample(guide)
    assert used[1:] == [["ugly, dog"]] * 2 + [["ugly, dog, cat"]] * 3
    assert guide.record.failure == "step 3: MemoryError: no reason given"
    assert len(caplog.records) == 1


def test_terms_found_before_a_failure_are_still_cleared_at_stop():
    guide = make_guide(FailsLater({(0, 0): ["dog"]}), clear_at_stop=True, stop=5)
    assert sample(guide) == [None] + [["ugly, dog"]] * 4 + [None]


def broken_decoder(x0):
    raise RuntimeError("out of memory")


class SaysTooLittle(Scripted):
    """Answers about all images but the last."""

    def ask(self, images, questions, topk):
        return super().ask(images, questions, topk)[:-1]


@pytest.mark.parametrize(
    ("oracle", "decoder"),
    [
        (Scripted({}), broken_decoder),
        (SaysTooLittle({}), None),
        (Scripted({}), lambda x0: to_images(x0[:-1])),
    ],
)
def test_whatever_else_fails_the_picture_goes_on_and_the_record_says_so(oracle, decoder):
    guide = make_guide(oracle, images=2, decoder=decoder)
    assert sample(guide) == [None] * 6
    assert guide.record.failure.startswith("step 0: ")


def test_a_watcher_that_fails_does_not_cost_the_picture():
    def watch(event, picture):
        raise OSError("disk full")

    guide = make_guide(Scripted({(0, 0): ["dog"]}), watch=watch)
    sample(guide)
    assert guide.record.failure == "step 0: OSError: disk full"


def test_a_user_who_interrupts_is_obeyed():
    class Interrupted(Scripted):
        def ask(self, images, questions, topk):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(make_guide(Interrupted({})))


def replay(guide, **options):
    """A guide that replays the record of another, by way of JSON."""
    record = Record.from_json(guide.record.to_json())
    count = len(record.prompts)
    return make_guide(None, STEPS, count, negatives=list(record.negatives), timelines=record.timelines, **options)


@pytest.mark.parametrize("mode", MODES)
@given(script=BUSY, options=OPTIONS)
def test_a_replay_gives_the_same_negatives_at_every_call(mode, script, options):
    options = {**options, "mode": mode}
    first = make_guide(Scripted(script), total=STEPS, images=2, **options)
    used = sample(first)
    again = replay(first, **options)
    assert sample(again) == used
    assert [line.compact() for line in again.record.timelines] == [line.compact() for line in first.record.timelines]


@pytest.mark.parametrize("suffix", ["big, old building", "building|house", "building +x"])
def test_any_suffix_can_be_replayed(suffix):
    first = make_guide(Scripted({(0, 0): ["wood"], (0, 2): ["brick"]}), total=STEPS, suffix=suffix)
    used = sample(first)
    assert sample(replay(first, suffix=suffix)) == used


def test_a_guide_leaves_the_timelines_of_the_record_it_replays_alone():
    timelines = [Timeline({2: ("dog",)})]
    guide = make_guide(None, timelines=timelines, clear_at_stop=True, stop=4)
    sample(guide)
    assert timelines[0].changes == {2: ("dog",)}


def test_clear_at_stop_leaves_exactly_the_users_own_from_the_stop_on():
    script = {(image, step): [f"thing{step}"] for image in range(2) for step in range(STEPS)}
    used = sample(make_guide(Scripted(script), total=STEPS, images=2, stop=5, clear_at_stop=True))
    assert used[5:] == [None] * 3
    assert used[4] == ["ugly, thing0, thing1, thing2, thing3"] * 2


def test_without_clear_at_stop_the_terms_stay():
    script = {(0, step): [f"thing{step}"] for step in range(STEPS)}
    used = sample(make_guide(Scripted(script), total=STEPS, stop=2))
    assert used[2:] == [["ugly, thing0, thing1"]] * 6


class Dicing(Scripted):
    """Draws random numbers, as ViLT does."""

    def ask(self, images, questions, topk):
        torch.rand(1)
        torch.manual_seed(5)
        return super().ask(images, questions, topk)


def test_the_samplers_random_numbers_do_not_depend_on_the_oracle():
    torch.manual_seed(0)
    plain = torch.rand(3)
    torch.manual_seed(0)
    oracle = Dicing({(0, 0): ["dog"]})
    sample(make_guide(oracle))
    assert oracle.asked and torch.equal(torch.rand(3), plain)


def test_looking_at_x0_leaves_it_as_it_was_and_keeps_no_gradients():
    seen = []

    def decoder(x0):
        seen.append((x0 * 1).requires_grad)
        x0 += 1
        return to_images(x0)

    x0 = torch.zeros(1, 3, 4, 4, requires_grad=True)
    make_guide(Scripted({}), decoder=decoder).observe(0, None, x0)
    assert seen == [False] and torch.equal(x0, torch.zeros(1, 3, 4, 4))


def test_two_guides_know_nothing_of_each_other():
    first, second = (make_guide(Scripted({(0, 0): [term]}), total=2) for term in ("dog", "cat"))
    assert (sample(first)[-1], sample(second)[-1]) == (["ugly, dog"], ["ugly, cat"])


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_an_answer_acts_exactly_that_many_steps_later_however_fast_it_comes(lag):
    class Slow(Scripted):
        def ask(self, images, questions, topk):
            time.sleep(0.03)
            return super().ask(images, questions, topk)

    script = {(0, 0): ["dog"], (0, 2): ["cat"]}
    fast, slow = (make_guide(kind(script), total=8, every=2, lag=lag) for kind in (Scripted, Slow))
    used = sample(fast)
    assert used == sample(slow) and fast.record.timelines[0].compact() == slow.record.timelines[0].compact()
    assert used[lag] is None and used[lag + 1] == ["ugly, dog"] and used[lag + 3] == ["ugly, dog, cat"]
    assert max(event.step for event in fast.record.events) < 7 - lag  # nobody is asked what cannot act any more
    assert all(timing.ask > 0.02 for timing in slow.record.timings)


def test_with_a_lag_the_steps_go_on_meanwhile():
    asked = threading.Event()

    class Waiting(Scripted):
        def ask(self, images, questions, topk):
            assert asked.wait(5)
            return super().ask(images, questions, topk)

    guide = make_guide(Waiting({(0, 0): ["dog"]}), total=6, steps=[0], lag=2)
    guide.observe(0, None, latents([0], 0))
    assert guide.negatives(1) is guide.negatives(2) is None
    asked.set()
    assert guide.negatives(3) == ["ugly, dog"]


def test_who_stops_does_not_wait_for_an_answer():
    never, wish = threading.Event(), threading.Event()

    class Hanging(Scripted):
        def ask(self, images, questions, topk):
            never.wait(10)
            return super().ask(images, questions, topk)

    guide = make_guide(Hanging({(0, 0): ["dog"]}), stopped=wish.is_set)
    threading.Timer(0.1, wish.set).start()
    began = time.monotonic()
    assert sample(guide) == [None] * 6
    assert time.monotonic() - began < 0.6 and guide.record.failure is None
    never.set()


def test_a_late_failure_is_said_and_the_terms_so_far_stay():
    class FailsSecond(Scripted):
        def ask(self, images, questions, topk):
            if self.calls:
                raise RuntimeError("gone")
            return super().ask(images, questions, topk)

    guide = make_guide(FailsSecond({(0, 0): ["dog"]}), total=8, every=2, lag=1)
    assert sample(guide) == [None, None] + [["ugly, dog"]] * 6
    assert "gone" in guide.record.failure


def test_after_a_failure_what_was_not_begun_is_never_asked():
    begun, over = [], threading.Event()

    class FailsFirst(Scripted):
        def ask(self, images, questions, topk):
            begun.append(len(begun))
            if len(begun) == 1:
                raise RuntimeError("gone")
            over.wait(10)
            return super().ask(images, questions, topk)

    oracle = FailsFirst({})
    guide = make_guide(oracle, total=8, lag=2)
    sample(guide)
    over.set()
    oracle.thread.submit(int).result()
    assert "gone" in guide.record.failure and len(begun) < 3  # one may have been under way


def test_terms_that_push_for_themselves_stand_alone():
    guide = make_guide(Scripted({(0, 0): ["dog"], (1, 0): []}), images=2, push="separate", weight=1.2)
    assert guide.negative_terms(0) is None
    guide.observe(0, None, latents([0, 1], 0))
    assert guide.negative_terms(1) == ["(dog:1.2)", ""]
    assert [event.negative for event in guide.record.events] == ["(dog:1.2)", ""]


def test_a_term_of_the_own_negative_prompt_joins_it_not_twice_but_may_push_for_itself():
    for push, expected in (("cfg", [None] * 6), ("separate", [None, *[["dog"]] * 5])):
        guide = make_guide(Scripted({(0, 0): ["dog"]}), negatives=["big, dog"], push=push)
        used = []
        for call in range(6):
            used.append(guide.negative_terms(call))
            guide.observe(call, None, latents([0], call))
        assert used == expected


def test_terms_that_push_for_themselves_have_the_room_of_a_negative_prompt_of_their_own():
    words = lambda text: len(text.split())  # noqa: E731
    long = " ".join(["ugly"] * 75)
    for push, terms in (("cfg", ()), ("separate", ("dog",))):
        guide = make_guide(Scripted({(0, 0): ["dog"]}), negatives=[long], push=push, room=Room(words), grow=False)
        sample(guide)
        assert guide.record.terms(0) == terms


def test_found_nothing_switches_the_push_off_until_the_next_ask():
    script = {(0, 0): ["dog"], (0, 2): [], (0, 4): ["cat"]}
    guide = make_guide(Scripted(script), total=7, push="separate", mode="replace", steps=(0, 2, 4))
    used = []
    for call in range(7):
        used.append(guide.negative_terms(call))
        guide.observe(call, None, latents([0], call))
    assert used == [None, ["dog"], ["dog"], None, None, ["cat"], ["cat"]]


def test_what_an_earlier_pass_found_acts_from_the_first_step_and_asks_add_to_it():
    guide = make_guide(Scripted({(0, 0): ["cat"]}), total=4, prompts=["a pet"], negatives=["ugly"], begun=[("dog", "pet")])
    assert guide.negatives(0) == ["ugly, dog"]
    sample(guide)
    assert guide.record.timelines[0].compact() == "0:+dog|1:+cat"
    assert guide.record.timelines[0].final == ("dog", "cat")


def test_what_is_noted_of_one_thing_leaves_what_is_noted_of_another():
    guide = make_guide(None)
    guide.note("push_pooled: 2 is for Flux")
    guide._say_crowded(("dog",))
    guide._say_crowded(("cat",))
    assert guide.record.note.startswith("push_pooled: 2 is for Flux; the negative prompt leaves no room for dog, cat, which")
