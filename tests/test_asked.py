"""The push inside attention that the settings ask for: what fits the family of models, and what does not."""

import pytest

from lib_vlmneg.attention.asked import asked
from lib_vlmneg.attention.push import AttentionPush
from lib_vlmneg.attention.strengths import PUBLIC, suited
from lib_vlmneg.errors import InputError
from lib_vlmneg.settings import Settings


def settings(**given):
    return Settings(enabled=True, **{"push": "vsf", **given})


@pytest.mark.parametrize("family", ["sd15", "sdxl", "sd3", "flux", "wan"])
def test_auto_is_what_suits_the_family(family):
    assert asked(settings(), family, 1.0) == (AttentionPush(suited("vsf", family)), "")


def test_chroma_is_pushed_as_flux_is():
    assert asked(settings(), "chroma", 1.0) == asked(settings(), "flux", 1.0)


@pytest.mark.parametrize(
    ("given", "family", "said"),
    [
        ({"push_compat": True}, "sd15", "push_compat: the public code's way is for vsf on SD3, not vsf on sd15; it is ignored"),
        ({"push_compat": True, "push": "nag"}, "sd3",
         "push_compat: the public code's way is for vsf on SD3, not nag on sd3; it is ignored"),
        ({"push_pooled": 2.0}, "chroma", "push_pooled: 2 is for Flux, not chroma; it is ignored"),
        ({"push_pooled": 2.0, "push_compat": True}, "wan",
         "push_compat: the public code's way is for vsf on SD3, not vsf on wan; it is ignored; "
         "push_pooled: 2 is for Flux, not wan; it is ignored"),
    ],
)  # fmt: skip
def test_a_setting_that_does_not_fit_is_ignored_and_said(given, family, said):
    push, note = asked(settings(**given), family, 1.0)
    plain, _ = asked(settings(**given | dict.fromkeys({"push_compat"} & set(given), False) | {"push_pooled": 1.0}), family, 1.0)
    assert (push, note) == (plain, said)


def test_a_setting_that_fits_acts():
    assert asked(settings(push_pooled=2.0), "flux", 1.0)[0].pooled == 2
    compat, note = asked(settings(push_compat=True), "sd3", 1.0)
    assert compat.compat and compat.method == PUBLIC and not note


def test_where_it_is_only_wanted_at_cfg_1_it_is_refused_above():
    with pytest.raises(InputError, match=r"^push_only_at_cfg_1: the CFG scale is 4.5, so that vsf does not push; give 1"):
        asked(settings(push_only_at_cfg_1=True), "sd15", 4.5)
