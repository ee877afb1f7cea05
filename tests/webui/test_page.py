"""The page, in a headless Chromium: tick, generate, see the terms, paste the picture back, replay."""

import contextlib
import os
import re
import shutil
import time

import pytest

from .server import Refused

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
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(server.url)
        page.wait_for_selector("#txt2img_prompt textarea")
        yield page
        browser.close()


def fill(page, selector, value):
    page.fill(f"{selector} textarea, {selector} input[type=number]", str(value))
    page.press(f"{selector} textarea, {selector} input[type=number]", "Tab")


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

    page.fill("#txt2img_prompt textarea", guided)
    page.click("#paste")
    page.wait_for_timeout(1500)
    assert page.input_value(f"{OURS}replay textarea") == terms
    fill(page, f"{OURS}oracle", "no/such-model")  # a replay asks nobody
    replayed = generate(page)
    assert timeline(replayed) == terms and "note" not in replayed
    assert "VLM Negative replayed: True" in replayed and "replayed" not in guided

    page.focus("#txt2img_prompt textarea")
    page.keyboard.type(" on a hill")  # another picture
    assert page.input_value(f"{OURS}replay textarea") == ""

    page.fill("#txt2img_prompt textarea", "a pet\nSteps: 8, Sampler: Euler a, CFG scale: 4.5, Seed: 3, Size: 128x128")
    page.click("#paste")
    page.wait_for_timeout(1500)
    assert "VLM Negative" not in generate(page)  # a picture that is not ours switches us off


def test_the_page_has_no_fault_of_ours(page):
    assert not [fault for fault in page.faults if "vlm" in fault.lower()]


def test_ids_are_unique_over_both_tabs(page):
    ids = page.evaluate("[...document.querySelectorAll('[id*=vlm_negative]')].map(item => item.id)")
    assert ids and len(ids) == len(set(ids))


def test_reload_ui_leaves_one_of_us(page, server):
    before = server.draw().pixels
    page.evaluate("gradioApp().getElementById('settings_restart_gradio').click()")
    page.wait_for_timeout(3000)
    for _ in range(60):
        with contextlib.suppress(OSError, Refused):
            server.call("/probe/seconds")  # asserts that each of our callbacks is there once
            break
        time.sleep(1)
    assert "Restarting UI" in server.log
    assert server.draw().pixels == before
    assert server.guided().note is None
    page.goto(server.url)
    page.wait_for_selector("#txt2img_prompt textarea")
    assert page.locator(f"{OURS}enable").count() == 1
