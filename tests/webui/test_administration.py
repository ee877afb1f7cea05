"""The oracle's memory and the packages for newer models: over the API, by themselves, and from the settings page."""

import os
import shutil
import time

import pytest

from .server import Refused, Server

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
PANEL = "#vlm_negative_panel_"
STATE = f"{PANEL}state textarea"


def release(server):
    return server.call("/vlm-negative/release", {})["released"]


def test_programs_see_which_oracles_can_be_used(server):
    found = {offer["name"]: offer for offer in server.call("/vlm-negative/oracles")}
    assert found["dandelin/vilt-b32-finetuned-vqa"] == {
        "name": "dandelin/vilt-b32-finetuned-vqa", "where": "in this process", "usable": True
    }  # fmt: skip
    newest = found["Qwen/Qwen3-VL-2B-Instruct"]
    assert newest["usable"] or newest["where"].startswith("it needs transformers 4.57, here is ")


def test_programs_free_the_oracle(server):
    server.guided()
    assert release(server) == "miniature" and release(server) == ""
    assert server.guided().timelines


def test_it_is_freed_when_nobody_uses_it(server):
    server.call("/sdapi/v1/options", {"vlm_negative_idle": 1})
    try:
        server.guided()
        time.sleep(2.5)
        assert release(server) == ""
    finally:
        server.call("/sdapi/v1/options", {"vlm_negative_idle": 600})


def test_a_single_oracle_has_a_place_of_its_own(server):
    try:
        server.call("/sdapi/v1/options", {"vlm_negative_places": "miniature cpu float32"})
        assert server.guided().note is None
        server.call("/sdapi/v1/options", {"vlm_negative_places": "miniature abacus"})
        drawn = server.guided()
        assert drawn.note.startswith("device: 'abacus' is not to be had here") and drawn.pixels == server.draw().pixels
    finally:
        server.call("/sdapi/v1/options", {"vlm_negative_places": ""})


def test_the_hosts_password_guards_it_too(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("WEBUI_FLAGS", "--api-auth me:secret")
    with Server(tmp_path, checkpoint) as guarded:
        for path, body in (("/vlm-negative/oracles", None), ("/vlm-negative/release", {})):
            with pytest.raises(Refused, match="Not authenticated"):
                guarded.call(path, body)


@pytest.mark.skipif(not CHROMIUM, reason="no browser: set CHROMIUM to an executable")
@pytest.mark.parametrize("flags", ["", "--listen"])
def test_the_settings_page_says_what_can_be_used_frees_and_installs(checkpoint, tmp_path, monkeypatch, flags):
    playwright = pytest.importorskip("playwright.sync_api")
    monkeypatch.setenv("WEBUI_FLAGS", flags)
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # there is nothing to install from
    with Server(tmp_path, checkpoint) as server, playwright.sync_playwright() as started:
        server.guided()
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1300, "height": 1100})
        page.goto(server.url)
        page.click("#tabs button:has-text('Settings')")
        page.click("#settings button:has-text('VLM Negative')")
        assert "dandelin/vilt-b32-finetuned-vqa" in page.inner_text(f"{PANEL}table")
        page.click(f"{PANEL}free_the_oracle_s_memory")
        wait_for_state(page, "Freed: miniature")
        page.click(f"{PANEL}install_packages_for_newer_models")
        wait_for_state(page, "add --enable-insecure-extension-access" if flags else "cannot be installed (ERROR: ")
        assert not (tmp_path / "models" / "VLM" / "packages").exists()
        if folder := os.environ.get("WEBUI_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/settings{flags}.png")
        browser.close()


def wait_for_state(page, text):
    page.wait_for_function(f"text => document.querySelector('{STATE}').value.includes(text)", arg=text, timeout=60_000)


@pytest.mark.parametrize("name", ["/etc", "../../..", "..", "~/model", "C:\\model", "a/b/c"])
def test_a_request_names_no_folder_but_ours(server, name):
    drawn = server.guided(oracle=name)
    assert drawn.note.startswith(f"oracle: {name!r} is neither a name on the hub nor a folder in ")
    assert drawn.note.endswith("models/VLM; put or link it there. The picture is drawn without it.")
    assert drawn.pixels == server.draw().pixels
