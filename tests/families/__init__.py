"""Tiny pipelines with random weights, of diffusers' own classes, built offline: one for each family that can be steered."""

from __future__ import annotations

import pipelines
import tiny_wan

from . import cross_text, crossed, flux_like, joined, many_texts, qwen_like, single_stream, videos

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
    "wan22": videos.wan22,
    "lumina2": single_stream.lumina2,
    "pixart_sigma": cross_text.pixart_sigma,
    "pixart_alpha": cross_text.pixart_alpha,
    "prx": single_stream.prx,
    "krea2": single_stream.krea2,
    "krea2_turbo": single_stream.krea2_turbo,
    "cosmos2": videos.cosmos2,
    "ltx": videos.ltx,
    "hunyuandit": cross_text.hunyuandit,
    "hunyuanvideo": videos.hunyuanvideo,
    "lumina_next": cross_text.lumina_next,
    "longcat": single_stream.longcat,
    "nucleus": single_stream.nucleus,
    "hidream": many_texts.hidream,
    "kandinsky5_image": many_texts.kandinsky5_image,
    "kandinsky5_video": many_texts.kandinsky5_video,
    "klein": flux_like.klein,
    "ernie": flux_like.ernie,
    "qwenimage21": qwen_like.qwenimage21,
    "hunyuanimage": qwen_like.hunyuanimage,
    "bria_fibo": many_texts.bria_fibo,
    "hunyuanvideo15": qwen_like.hunyuanvideo15,
}
SIZES = dict.fromkeys(FAMILIES, (16, 16))  # (height, width) in pixels
SIZES |= dict.fromkeys(("sana", "hunyuanvideo", "kandinsky5_video", "hunyuanimage", "bria_fibo"), (32, 32))
SIZES |= dict.fromkeys(("hunyuandit", "ltx", "hunyuanvideo15"), (64, 64))
SINGLE = ("prx", "hunyuanvideo15")  # diffusers itself draws one picture at a time
