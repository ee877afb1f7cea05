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
