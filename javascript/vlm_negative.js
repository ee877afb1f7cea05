// Marks the accordion while it replays a picture's timeline: a timeline that was forgotten would silently ask no oracle.
onUiUpdate(function () {
    ["txt2img", "img2img"].forEach(function (tab) {
        const accordion = gradioApp().getElementById("script_" + tab + "_vlm_negative_enable");
        const timeline = gradioApp().querySelector("#script_" + tab + "_vlm_negative_replay textarea");
        if (accordion && timeline) {
            accordion.classList.toggle("vlm-negative-replays", timeline.value.trim() !== "");
        }
    });
});

// Shows how far an installation is, once a second while the settings page says that one is under way.
setInterval(function () {
    const state = gradioApp().querySelector("#vlm_negative_panel_state textarea");
    const look = gradioApp().getElementById("vlm_negative_panel_look");
    if (state && look && state.value.startsWith("Installing")) {
        look.click();
    }
}, 1000);
