"""The page, in a headless Chromium: tick, generate, see the terms, paste the picture back, replay."""

import contextlib
import os
import re
import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
OURS = "#script_txt2img_vlm_negative_"
ASKED = {"prompt": "a photo of a pet", "width": 128, "height": 128, "steps": 20, "cfg_scale": 4.5, "seed": 7}


@pytest.fixture(scope="module")
def page(server):
    if not CHROMIUM:
        pytest.skip("no browser: set CHROMIUM to an executable")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1300, "height": 1500})
        page.set_default_timeout(180_000)  # milliseconds, on a machine that has much else to do
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        load(page, server)
        yield page
        browser.close()


def load(page, server):
    """Goes to the host's page and waits until it answers to clicks, which it does once its first events have come back."""
    for _ in range(4):
        page.goto(server.url)
        page.wait_for_selector("#txt2img_prompt textarea")
        with contextlib.suppress(playwright.TimeoutError):
            page.wait_for_function("typeof opts !== 'undefined' && Object.keys(opts).length > 0", timeout=45_000)
            page.wait_for_timeout(1000)
            return
    raise AssertionError("the page does not come alive")


def fill(page, selector, value):
    page.fill(f"{selector} textarea, {selector} input[type=number]", str(value))
    page.press(f"{selector} textarea, {selector} input[type=number]", "Tab")


def put(page, name, text):
    """Types into a field of ours, also where it is folded away."""
    page.evaluate(
        """([id, text]) => {
            const field = document.querySelector(id + " textarea, " + id + " input");
            field.value = text;
            updateInput(field);
        }""",
        [OURS + name, text],
    )


def generate(page):
    """Presses Generate and returns the parameters under the picture."""
    before = page.inner_text("#html_info_txt2img")
    page.click("#txt2img_generate")
    page.wait_for_function(
        "before => document.querySelector('#html_info_txt2img').innerText != before"
        " && document.querySelector('#txt2img_interrupt').offsetParent === null",
        arg=before,
        timeout=120_000,
    )
    return page.inner_text("#html_info_txt2img")


def timeline(text):
    return re.search(r'VLM Negative timeline: "([^"]*)"', text)[1]


def test_tick_generate_paste_back_and_replay(page, server, tmp_path):
    for name, value in ASKED.items():
        fill(page, f"#txt2img_{name}", value)
    page.click(f"{OURS}enable .label-wrap")  # opening an InputAccordion is ticking it
    for name, value in {"questions": "auto", "oracle": "miniature", "steps": "", "stop": "0.6", "every": 5}.items():
        fill(page, OURS + name, value)
    guided = generate(page)
    terms = timeline(guided)
    assert re.match(r"\d+:\+\w+", terms)
    if folder := os.environ.get("WEBUI_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{'forge' if server.forge else 'a1111'}.png", full_page=True)

    paste(page, guided)
    assert page.input_value(f"{OURS}replay textarea") == terms
    fill(page, f"{OURS}oracle", "no/such-model")  # a replay asks nobody
    replayed = generate(page)
    assert timeline(replayed) == terms and "note" not in replayed
    assert "VLM Negative replayed: True" in replayed and "replayed" not in guided

    page.focus("#txt2img_prompt textarea")
    page.keyboard.type(" on a hill")  # another picture
    assert page.input_value(f"{OURS}replay textarea") == ""

    paste(page, "a pet\nSteps: 8, Sampler: Euler a, CFG scale: 4.5, Seed: 3, Size: 128x128")
    assert "VLM Negative" not in generate(page)  # a picture that is not ours switches us off


def paste(page, text=""):
    """Presses the arrow under Generate, again while a new page does not hear it; no text: the last parameters."""
    page.fill("#txt2img_prompt textarea", text)
    for _ in range(20):
        page.click("#paste")
        page.wait_for_timeout(3000)
        if page.input_value("#txt2img_prompt textarea") != text:
            return
    raise AssertionError("the arrow does nothing")


def value(page, name, tab="txt2img"):
    return page.input_value(f"#script_{tab}_vlm_negative_{name} textarea, #script_{tab}_vlm_negative_{name} input")


@pytest.fixture
def guided(page, request):
    """The parameters of a picture that was just drawn with the guide, of another seed in each test: the page then changes."""
    parameters = PARAMETERS | {"Seed": 7 + request.session.items.index(request.node)}
    asked = ", ".join(f"{name}: {text}" for name, text in parameters.items())
    paste(page, f"a photo of a pet\n{asked}")
    return generate(page)


PARAMETERS = {
    "Steps": 20, "Sampler": "Euler a", "CFG scale": 4.5, "Size": "128x128", "VLM Negative enabled": True,
    "VLM Negative questions": '"auto"', "VLM Negative oracle": "miniature", "VLM Negative steps": '"0, 1/3"',
    "VLM Negative every": 1,
}  # fmt: skip


def test_the_arrow_brings_the_last_picture_back_with_its_timeline(page, guided):
    paste(page)
    assert value(page, "replay") == timeline(guided)
    assert timeline(generate(page)) == timeline(guided)


def test_an_upscaled_version_begins_with_the_terms_and_its_timeline_has_both(page, guided):
    before = page.inner_text("#html_info_txt2img")
    page.click("#txt2img_upscale")
    page.wait_for_function(
        "before => document.querySelector('#html_info_txt2img').innerText != before", arg=before, timeout=120_000
    )
    first, second = timeline(page.inner_text("#html_info_txt2img")).split(" / ")
    assert first == timeline(guided)
    found = set(re.findall(r"\+([^,|]+)", first))
    assert found and all(f"+{term}" in second.split("|")[0] for term in found) and second.startswith("0:+")


def test_what_is_sent_to_img2img_is_every_field_but_the_timeline(page, guided):
    put(page, "suffix", "thing")
    put(page, "replay", timeline(guided))
    page.click("#txt2img_send_to_img2img")
    page.wait_for_timeout(2500)
    sent = {name: value(page, name, "img2img") for name in ("questions", "oracle", "steps", "suffix", "replay")}
    assert sent == {"questions": "auto", "oracle": "miniature", "steps": "0, 1/3", "suffix": "thing", "replay": ""}
    assert page.is_checked("#script_img2img_vlm_negative_enable input[type=checkbox]")
    page.evaluate("switch_to_txt2img()")


def restart(page, server):
    """Settings, Reload UI; the page as it then is. A page that is just there may not hear a click yet."""
    asked, started = (server.log.count(said) for said in ("Restarting UI", "Startup time"))
    for seconds in range(120):
        if server.log.count("Restarting UI") == asked and seconds % 10 == 0:
            page.evaluate("document.querySelector('gradio-app')?.querySelector('#settings_restart_gradio')?.click()")
        if server.log.count("Startup time") > started:
            break
        page.wait_for_timeout(1000)
    server.call("/probe/seconds")  # asserts that each of our callbacks is there once
    load(page, server)


def test_saved_defaults_carry_every_field_but_the_timeline(page, server, guided):
    saved = server.folder / "ui-config.json"
    before = saved.read_text()
    fields = {"questions": "creative:pet", "oracle": "miniature", "steps": "0, 3", "suffix": "thing", "prefix": "ugly"}
    try:
        for name, text in (fields | {"replay": "1:+dog"}).items():
            put(page, name, text)
        page.evaluate("gradioApp().getElementById('ui_defaults_apply').click()")
        page.wait_for_timeout(2500)
        restart(page, server)
        assert {name: value(page, name) for name in fields} == fields and value(page, "replay") == ""
        ticked = page.is_checked(f"{OURS}enable input[type=checkbox]")
        assert ticked is not server.forge  # which saves no accordion's tick, of any script (its ui_loadsave.py:109)
    finally:
        saved.write_text(before)
        restart(page, server)
    assert not page.is_checked(f"{OURS}enable input[type=checkbox]")


def test_ids_are_unique_over_both_tabs(page):
    ids = page.evaluate("[...document.querySelectorAll('[id*=vlm_negative]')].map(item => item.id)")
    assert ids and len(ids) == len(set(ids))


def test_reload_ui_leaves_one_of_us(page, server):
    before = server.draw().pixels
    restart(page, server)
    assert "Restarting UI" in server.log
    assert server.draw().pixels == before
    assert server.guided().note is None
    assert page.locator(f"{OURS}enable").count() == 1


def test_the_page_has_no_fault_of_ours(page):
    assert not [fault for fault in page.faults if "vlm" in fault.lower()]
