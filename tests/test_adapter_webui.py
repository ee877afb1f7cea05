"""The calls of the WebUIs' CFG-denoisers in the hands of each push, on stand-ins; the hosts themselves run in tests/webui."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from fakes import within_a_host
from test_attention_waits import Waits
from webui_hosts import OWN, PROMPT, READS, SECOND, Automatic, Broken, Forge, texts

from lib_vlmneg.attention.push import AttentionPush
from lib_vlmneg.guidance.dual import dual
from lib_vlmneg.guide import Guide
from lib_vlmneg.push.inside import Inside
from lib_vlmneg.push.joined import Joined
from lib_vlmneg.push.separate import Separate
from lib_vlmneg.record import Timeline
from lib_vlmneg.schedule import Clock
from lib_vlmneg.settings import Settings

with within_a_host():
    from lib_vlmneg.hosts.webui import adapter as adapters
    from lib_vlmneg.hosts.webui import attention_text, branches, host, memory
    from lib_vlmneg.hosts.webui.conditioning import Encoded

CFG, W = 4.5, 10.0
DOG, NONE, LATE = Timeline({0: ("dog",)}), Timeline(), Timeline({2: ("dog",)})
SKIPPED = "the option 'Ignore negative prompt during early sampling' is on"


class Texts:
    """Encodes to the prediction that comes of a text."""

    breaks = False

    def has(self, prompts, number):
        return False

    def texts(self, prompts, number):
        if self.breaks:
            raise RuntimeError("no room")
        batch = {"crossattn": texts(*[READS[prompt] for prompt in prompts])}
        return [Encoded(batch, image) for image in range(len(prompts))]


class Run:
    """One pass of a stand-in host with a push in it."""

    def __init__(self, kind, push="cfg", timelines=(DOG,), cfg=CFG, parts=None, weights=None, **given):
        self.p = SimpleNamespace(cfg_scale=cfg, s_min_uncond=0.0)
        self.denoiser = kind(self.p, parts or [1] * len(timelines), weights)
        settings = Settings(enabled=True, push=push, steps=(), **({"push_scale": W} if push == "separate" else {}), **given)
        count = len(timelines)
        self.guide = Guide(settings, Clock(4, 4), ["a pet"] * count, ["bad"] * count, timelines=timelines)
        self.texts = Texts()
        self.push = {"cfg": Joined, "separate": Separate}[push](self.guide, self.texts)
        self.adapter = adapters.Adapter(self.p, self.push)
        self.seen = []

    def call(self):
        """One call: what the denoiser gives, the first value of each image."""

        def after(denoised):
            self.adapter.after()
            self.seen.append(values(self.adapter.plain(denoised, self.denoiser)))

        return values(self.denoiser(lambda params: self.adapter.before(self.denoiser.step, params), after))

    @property
    def left(self):
        """What is still on the host."""
        objects = getattr(self.denoiser, "objects", None)
        carried = objects is not None and set(objects.unet.model_options) != {"transformer_options"}
        return "combine_denoised" in vars(self.denoiser) or carried


def values(x):
    return [pytest.approx(float(value)) for value in x[:, 0, 0, 0]]


def guided(cond, null, g=CFG):
    return null + g * (cond - null)


@pytest.fixture(params=[Automatic, Forge])
def kind(request, monkeypatch):
    opts = SimpleNamespace(skip_early_cond=0.0, s_min_uncond_all=False)
    monkeypatch.setattr(host, "shared", SimpleNamespace(opts=opts))
    monkeypatch.setattr(
        branches, "shared", SimpleNamespace(sd_model=SimpleNamespace(model=SimpleNamespace(conditioning_key="")))
    )
    monkeypatch.setattr(host, "is_forge", lambda: request.param is Forge)
    monkeypatch.setattr(branches, "_evaluated", lambda args, cond: args["model"](cond))
    return request.param


def skipping(run):
    """From here on the host leaves the uncond out."""
    host.shared.opts.skip_early_cond = 1.0
    run.denoiser.skip, run.denoiser.scale = True, 1.0


def test_the_terms_are_read_by_the_unconds_of_their_image(kind):
    run = Run(kind, timelines=(DOG, NONE))
    assert run.call() == [guided(PROMPT, READS["bad, dog"]), guided(PROMPT, OWN)]
    assert run.guide.record.reached == [1, 0] and run.seen == [[guided(PROMPT, READS["bad, dog"]), guided(PROMPT, OWN)]]


def test_where_the_uncond_is_left_out_nothing_is_said_to_have_acted(kind):
    run = Run(kind)
    skipping(run)
    assert run.call() == [PROMPT]
    run.guide.ended(run.adapter.unused)
    record = run.guide.record
    assert record.reached == [0] and record.timelines[0].changes == {} and record.generation["unused"] == {SKIPPED: [0]}
    assert record.failure == f"step 0: the terms of picture 1 reached no row of the model: {SKIPPED}"


def test_terms_that_come_behind_the_last_call_are_no_failure(kind):
    run = Run(kind, timelines=(LATE,))
    run.call()
    run.guide.ended(run.adapter.unused)
    assert run.guide.record.failure is None


@pytest.mark.parametrize("cfg", [CFG, 1.0, 0.5, 0.0])
def test_a_separate_push_is_the_papers_formula(kind, cfg):
    run = Run(kind, "separate", cfg=cfg)
    assert run.call() == [dual(PROMPT, OWN, READS["dog"], cfg, W)]
    record = run.guide.record
    assert record.reached == [1] and record.failure is None and record.extra_calls == (1 if cfg != 1 else 2)
    assert run.seen == [[guided(PROMPT, OWN, cfg)]]  # the oracle sees what plain CFG predicts
    assert not run.left


def test_a_separate_push_acts_where_the_uncond_is_left_out(kind):
    run = Run(kind, "separate")
    skipping(run)
    assert run.call() == [PROMPT - W * (READS["dog"] - OWN)]
    assert run.guide.record.extra_calls == 2 and run.seen == [[PROMPT]]


def test_a_separate_push_leaves_the_other_images_and_the_other_steps_alone(kind):
    run = Run(kind, "separate", timelines=(NONE, LATE))
    plain = guided(PROMPT, OWN)
    found = [run.call() for _ in range(4)]
    assert found == [[plain, plain]] * 2 + [[plain, dual(PROMPT, OWN, READS["dog"], CFG, W)]] * 2
    assert run.seen == [[plain, plain]] * 4 and run.guide.record.reached == [0, 2]


def test_prompts_with_weights_of_their_own_do_not_weigh_the_push(kind):
    run = Run(kind, "separate", parts=[2], weights=[[1.0, 0.7]])
    cond = CFG * (PROMPT - OWN) + 0.7 * CFG * (SECOND - OWN)
    assert run.call() == [OWN + cond - W * (READS["dog"] - OWN)]


def test_another_that_sets_the_scale_of_a_call_does_not_weigh_the_push(kind):
    run = Run(kind, "separate")
    run.denoiser.cond_scale_miltiplier, run.denoiser.scale = 1 / CFG, 1.0
    assert run.call() == [PROMPT - W * (READS["dog"] - OWN)] and run.guide.record.failure is None


def test_in_a1111_another_way_of_combining_is_given_the_moved_nulls(kind):
    if kind is Forge:
        pytest.skip("Forge's is a list of functions behind CFG")
    run, given = Run(kind, "separate"), []
    theirs = run.denoiser.combine_denoised
    run.denoiser.combine_denoised = lambda x_out, *rest: given.append(values(x_out)) or theirs(x_out, *rest) * 2
    assert run.call() == [2 * dual(PROMPT, OWN, READS["dog"], CFG, W)]
    assert given == [[PROMPT, OWN + W / (CFG - 1) * (READS["dog"] - OWN)]]


def test_a_host_that_does_not_guide_by_cfg_is_said_once(kind):
    run = Run(kind, "separate")
    run.denoiser.combine_denoised = lambda *_: None
    params = run.denoiser.params(torch.zeros(2, 1, 2, 2))
    run.adapter.before(0, params)
    run.adapter.after()
    assert run.guide.record.failure == f"step 0: RuntimeError: {adapters.UNGUIDED}" and run.push.off


def test_what_a_mask_takes_of_a_push_the_oracle_does_not_get_back(kind):
    run = Run(kind, "separate")
    run.denoiser.mask, run.denoiser.nmask = torch.ones(1), torch.tensor(0.25)
    run.call()
    assert run.seen == [[0.25 * guided(PROMPT, OWN)]] if kind is Automatic else run.seen


@pytest.mark.parametrize("push", ["cfg", "separate"])
def test_a_push_that_fails_is_said_once_and_plain_calls_go_on(kind, push):
    run = Run(kind, push, timelines=(LATE,))
    found = [run.call() for _ in range(2)]
    run.texts.breaks = True
    found += [run.call() for _ in range(2)]
    assert found == [[guided(PROMPT, OWN)]] * 4 and not run.left
    assert run.guide.record.failure == "step 2: RuntimeError: no room" and run.guide.record.timelines[0].changes == {}


def test_a_branch_that_fails_leaves_the_plain_call(kind):
    run = Run(kind, "separate")
    run.denoiser.model.refused = READS["dog"]
    assert run.call() == [guided(PROMPT, OWN)] and not run.left
    assert run.guide.record.failure == "step 0: RuntimeError: no room" and run.guide.record.reached == [0]


def test_after_an_exception_in_the_model_nothing_of_ours_is_on_the_host(kind):
    run = Run(kind, "separate")
    run.denoiser.model.breaks = True
    with pytest.raises(Broken):
        run.call()
    assert not run.left or kind is Automatic  # whose denoiser is gone with the pass
    run.adapter.left()
    assert not run.left and run.guide.record.reached == [0]


@pytest.mark.parametrize("push", ["cfg", "separate"])
@pytest.mark.parametrize("timelines", [(DOG,), (NONE,)])
def test_a_call_that_does_not_ask_never_waits_for_the_device(kind, push, timelines, monkeypatch):
    run, waits = Run(kind, push, timelines), Waits()
    encoded = run.texts.texts(["dog"], 0)
    monkeypatch.setattr(run.texts, "texts", lambda prompts, number: encoded)
    with waits:
        run.denoiser(lambda params: run.adapter.before(0, params), lambda _: run.adapter.after())
    with Waits() as plain:
        run.denoiser(lambda _: None, lambda _: None)
    assert waits.found == plain.found and run.guide.record.failure is None


class Alone:
    """What a BareEncoder asks of the host's encoder."""

    def at(self, texts):
        return tuple(texts)

    def alone(self, text):
        return {"crossattn": torch.ones(1, 3, 6)}


@pytest.mark.parametrize("hangs", [False, True])
def test_in_forge_the_patcher_that_is_brought_back_is_the_samplers_own(monkeypatch, hangs):
    """Neither where a text is encoded nor where the oracle looks is it the copy, which the host would load anew."""
    monkeypatch.setattr(host, "shared", SimpleNamespace(opts=SimpleNamespace(skip_early_cond=0.0), sd_model=None))
    monkeypatch.setattr(host, "is_forge", lambda: True)
    monkeypatch.setattr(attention_text, "bare", lambda text, model, rows: (rows["crossattn"][0], None))
    prepared = []
    monkeypatch.setattr(memory, "_sampling_prepare", lambda: lambda unet, x: prepared.append(unet))
    p = SimpleNamespace(cfg_scale=1.0, s_min_uncond=0.0)
    denoiser = Forge(p)
    p.sd_model = denoiser.inner_model.inner_model
    own = denoiser.objects.unet

    @contextmanager
    def attached(params, call, pushing):
        with adapters.attention_forge.carried(params):
            yield

    monkeypatch.setattr(adapters.attention_forge, "hung", attached)
    guide = Guide(Settings(enabled=True, push="vsf", steps=()), Clock(4, 4), ["a pet"], ["bad"], timelines=[LATE])
    x = torch.zeros(1, 1, 2, 2)
    push = Inside(guide, attention_text.BareEncoder(p, Alone(), x), AttentionPush())
    adapter = adapters.Adapter(p, push)

    def before(params):
        adapter.before(denoiser.step, params)
        assert denoiser.objects.unet is not own

    def after(denoised):
        if not hangs:
            adapter.after()
        with memory.borrowed(p, x):  # the oracle looks
            pass

    for _ in range(4):
        denoiser(before, after)
    assert len(prepared) == 2 + 4 and all(unet is own for unet in prepared)
