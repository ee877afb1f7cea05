"""Tiny pipelines with random weights, of diffusers' own classes, built offline: one for each family that can be steered."""

from __future__ import annotations

import pipelines
import tiny_wan

from . import crossed, flux_like, joined

FAMILIES = {
    "sd": pipelines.sd,
    "sd2": crossed.sd2,
    "sdxl": pipelines.sdxl,
    "kolors": crossed.kolors,
    "sd3": pipelines.sd3,
    "flux": pipelines.flux,
    "chroma": flux_like.chroma,
    "ovis": flux_like.ovis,
    "bria": flux_like.bria,
    "qwenimage": flux_like.qwenimage,
    "zimage": joined.zimage,
    "sana": crossed.sana,
    "auraflow": joined.auraflow,
    "cogview4": joined.cogview4,
    "wan": tiny_wan.wan,
}
SIZES = dict.fromkeys(FAMILIES, (16, 16)) | {"sana": (32, 32)}  # (height, width) in pixels
