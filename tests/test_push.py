"""Each push once, against the seam: a host of six lines that multiplies by what a row reads."""

import pytest
import torch

from lib_vlmneg.attention.push import AttentionPush
from lib_vlmneg.guidance.cfg import cfg
from lib_vlmneg.guidance.dual import dual
from lib_vlmneg.guide import Guide
from lib_vlmneg.push.call import ModelCall, Row, Side
from lib_vlmneg.push.filtered import Filtered
from lib_vlmneg.push.inside import Inside
from lib_vlmneg.push.joined import Joined
from lib_vlmneg.push.push import made
from lib_vlmneg.push.separate import Separate
from lib_vlmneg.record import Timeline
from lib_vlmneg.schedule import Clock
from lib_vlmneg.settings import Settings

STEPS, G = 4, 3.0
COND, UNCOND = Side.COND, Side.UNCOND
OWN = {COND: 2.0, UNCOND: 5.0}  # what a row predicts of its own text
READS = {"": 5.0, "bad": 5.0, "dog": 7.0, "bad, dog": 11.0, "bad, cat": 13.0, "cat": 17.0}


class Texts:
    """Encodes to the prediction that comes of a text."""

    def __init__(self):
        self.encoded = []

    def has(self, prompts, number):
        return all(prompt in self.encoded for prompt in prompts)

    def texts(self, prompts, number):
        self.encoded += prompts
        return [READS[prompt] for prompt in prompts]


def make(call):
    own = torch.tensor([call.texts.get(number, OWN[row.side]) for number, row in enumerate(call.rows)])
    own = own + torch.tensor([float(number in call.appended) * 100 for number in range(len(own))])
    return [own, *(torch.tensor(list(texts.values())) for texts in call.extra)]


def guide(push, *timelines, own="bad", **given):
    settings = Settings(enabled=True, push=push, steps=(), **given)
    return Guide(settings, Clock(STEPS, STEPS), ["a pet"] * len(timelines), [own] * len(timelines), timelines=timelines)


def rows(*pairs):
    return tuple(Row(image, side) for image, side in pairs)


def call(images=1, number=0, pull=G - 1, sides=(UNCOND, COND)):
    return ModelCall(number, rows(*((image, side) for side in sides for image in range(images))), pull)


DOG, NONE, LATE = Timeline({0: ("dog",)}), Timeline(), Timeline({2: ("dog",)})


def test_cfg_swaps_the_unconds_rows_of_the_images_that_have_terms():
    push = Joined(guide("cfg", DOG, NONE), Texts())
    assert made(push, call(2), make).tolist() == [11.0, 5.0, 2.0, 2.0]
    assert push.guide.record.reached == [1, 0]


def test_cfg_leaves_calls_alone_that_have_no_uncond():
    push = Joined(guide("cfg", DOG), Texts())
    assert made(push, call(sides=(COND,), pull=None), make).tolist() == [2.0]
    assert push.guide.record.reached == [0] and push.encoder.encoded == []
    push.guide.ended()
    assert "reached no row" in push.guide.record.failure


@pytest.mark.parametrize("order", [(UNCOND, COND), (COND, UNCOND)])
@pytest.mark.parametrize("w", [0.5, 2.0, 9.0])
def test_separate_is_the_papers_formula_whatever_the_order(order, w):
    push = Separate(guide("separate", DOG, push_scale=w), Texts())
    answers = dict(zip(order, made(push, call(sides=order), make)))
    guided = cfg(answers[COND], answers[UNCOND], G)
    torch.testing.assert_close(guided, torch.tensor(dual(torch.tensor(2.0), torch.tensor(5.0), torch.tensor(7.0), G, w).item()))
    torch.testing.assert_close(guided + push.taken(0), cfg(torch.tensor(2.0), torch.tensor(5.0), G))


def test_separate_in_two_calls_of_a_step_moves_the_second():
    push = Separate(guide("separate", DOG, push_scale=2.0), Texts())
    assert made(push, call(sides=(COND,)), make).tolist() == [2.0]
    assert made(push, call(sides=(UNCOND,)), make).tolist() == [5.0 + 2.0 / (G - 1) * (7.0 - 5.0)]
    assert push.taken(0) == 4.0
    made(push, call(number=1, sides=(COND,)), make)
    assert push.taken(0) is None


@pytest.mark.parametrize("pull", [None, 0.0])
def test_separate_where_no_uncond_counts_moves_the_cond_and_evaluates_the_null(pull):
    push, texts = Separate(guide("separate", DOG, NONE, push_scale=2.0), Texts()), []

    def watched(wanted):
        texts.append(wanted.extra)
        return make(wanted)

    assert made(push, call(2, pull=pull, sides=(COND,)), watched).tolist() == [2.0 - 2.0 * (7.0 - 5.0), 2.0]
    assert texts == [({0: 7.0}, {0: 5.0})]


def test_separate_beyond_the_prompt_pulls_by_g():
    """P + g (P - N)."""
    push = Separate(guide("separate", DOG, push_scale=2.0), Texts())
    uncond, cond = made(push, call(pull=G), make)
    torch.testing.assert_close(cond + G * (cond - uncond), torch.tensor(2.0 + G * (2.0 - 5.0) - 2.0 * (7.0 - 5.0)))


def test_inside_appends_to_the_conds_rows_in_its_share_of_the_run():
    push = Inside(guide("vsf", DOG, NONE), Texts(), AttentionPush(start=0.25, end=0.75))
    found = [made(push, call(2, number=step), make).tolist() for step in range(STEPS)]
    assert found == [[5.0, 5.0, 2.0, 2.0], *[[5.0, 5.0, 102.0, 102.0]] * 2, [5.0, 5.0, 2.0, 2.0]]


def test_inside_an_empty_text_appends_nothing():
    push = Inside(guide("vsf", LATE, NONE, own=""), Texts(), AttentionPush())
    assert made(push, call(2, sides=(COND,)), make).tolist() == [2.0, 2.0]
    assert made(push, call(2, number=2, sides=(COND,)), make).tolist() == [102.0, 2.0]


def test_filtered_changes_the_conds_rows_until_its_last_step_and_counts_for_no_term():
    push, filtered = Joined(guide("cfg", NONE), Texts()), Filtered(23.0, last=1)
    found = [made(push, filtered(call(number=step), step), make).tolist() for step in range(3)]
    assert found == [[5.0, 23.0], [5.0, 23.0], [5.0, 2.0]] and push.guide.record.reached == [0]


def test_a_term_acts_from_its_step_on():
    push = Joined(guide("cfg", LATE), Texts())
    assert [made(push, call(number=step), make)[0].item() for step in range(STEPS)] == [5.0, 5.0, 11.0, 11.0]
    assert push.guide.record.reached == [2]


def test_what_fails_is_said_once_and_the_call_is_made_without_and_so_are_the_next():
    class Failing(Texts):
        def texts(self, prompts, number):
            super().texts(prompts, number)
            raise RuntimeError("no room")

    push = Joined(guide("cfg", LATE), Failing())
    assert [made(push, call(number=step), make)[0].item() for step in range(STEPS)] == [5.0] * STEPS
    assert push.guide.record.failure == "step 2: RuntimeError: no room" and len(push.encoder.encoded) == 1
    assert push.guide.record.timelines[0].compact() == ""


def test_a_push_that_has_failed_is_not_tried_again():
    class Failing(Texts):
        def texts(self, prompts, number):
            super().texts(prompts, number)
            raise RuntimeError("no room")

    push = Inside(guide("vsf", NONE), Failing(), AttentionPush())
    assert [made(push, call(number=step), make)[1].item() for step in range(STEPS)] == [2.0] * STEPS
    assert push.encoder.encoded == ["bad"]


def test_off_a_call_is_made_as_it_came():
    push, seen = Joined(guide("cfg", NONE), Texts()), []
    plain = call()
    made(push, plain, lambda wanted: seen.append(wanted) or make(wanted))
    assert seen == [plain] and seen[0] is plain
