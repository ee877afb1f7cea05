"""The families that can be steered. A new one is a few lines of data in a file here, and its row in tests/test_families.py."""

from __future__ import annotations

from typing import Any

from ....errors import InputError
from . import (
    bria_fibo,
    flux,
    flux2,
    hidream,
    hunyuanimage,
    kandinsky5,
    krea2,
    lumina,
    padded,
    pixart,
    qwenimage,
    sd3,
    unet,
    videos,
    zimage,
)
from .family import Family

FAMILIES: dict[str, Family] = {
    "SD1.5 and SD2": unet.STABLE_DIFFUSION,
    "SDXL": unet.SDXL,
    "Kolors": unet.KOLORS,
    "SD3": sd3.SD3,
    "Flux.1": flux.FLUX,
    "Chroma": flux.CHROMA,
    "Ovis-Image": flux.OVIS,
    "Bria": flux.BRIA,
    "Qwen-Image": qwenimage.QWEN_IMAGE,
    "Z-Image": zimage.Z_IMAGE,
    "Sana": padded.SANA,
    "AuraFlow": padded.AURA_FLOW,
    "CogView4": padded.COGVIEW4,
    "Wan 2.1 and 2.2": padded.WAN,
    "Lumina 2": lumina.LUMINA2,
    "PixArt-Sigma": pixart.PIXART_SIGMA,
    "PixArt-Alpha": pixart.PIXART_ALPHA,
    "PRX": pixart.PRX,
    "Krea 2": krea2.KREA2,
    "Cosmos 2": videos.COSMOS2,
    "LTX": videos.LTX,
    "Hunyuan-DiT": pixart.HUNYUAN_DIT,
    "HunyuanVideo": videos.HUNYUAN_VIDEO,
    "Lumina-Next": lumina.LUMINA_NEXT,
    "LongCat-Image": flux.LONGCAT,
    "Nucleus-Image": qwenimage.NUCLEUS_IMAGE,
    "HiDream": hidream.HIDREAM,
    "Kandinsky 5": kandinsky5.KANDINSKY5,
    "FLUX.2 Klein": flux2.KLEIN,
    "ERNIE-Image": flux2.ERNIE_IMAGE,
    "Qwen-Image 2.1": qwenimage.QWEN_IMAGE_21,
    "HunyuanImage": hunyuanimage.HUNYUAN_IMAGE,
    "HunyuanVideo 1.5": hunyuanimage.HUNYUAN_VIDEO_15,
    "Bria Fibo": bria_fibo.BRIA_FIBO,
}


def family_of(pipe: Any) -> Family | None:
    """That of a pipeline or of the class that it derives from; None where it is not known."""
    by_class = {name: family for family in FAMILIES.values() for name in family.pipelines}
    return next((by_class[kind.__name__] for kind in type(pipe).__mro__ if kind.__name__ in by_class), None)


def steered(pipe: Any) -> Family:
    """The same. Raises InputError for a pipeline that nothing can act on."""
    found = family_of(pipe)
    if found is None:
        raise InputError(
            f"model: {type(pipe).__name__} is not among the pipelines that can be steered ({', '.join(FAMILIES)}); "
            "draw without --question, or use another"
        )
    return found
