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

// Typing another prompt is for a new picture, and ends a replay; a pasted picture brings its prompt and its timeline together.
onUiLoaded(function () {
    ["txt2img", "img2img"].forEach(function (tab) {
        const prompt = gradioApp().querySelector("#" + tab + "_prompt textarea");
        if (prompt) {
            prompt.addEventListener("input", function (event) {
                const timeline = gradioApp().querySelector("#script_" + tab + "_vlm_negative_replay textarea");
                if (event.isTrusted && timeline && timeline.value.trim() !== "") {
                    timeline.value = "";
                    updateInput(timeline);
                }
            });
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
