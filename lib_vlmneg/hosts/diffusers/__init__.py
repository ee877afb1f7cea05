"""The engine on Hugging Face diffusers: Stable Diffusion 1.5, SDXL, SD3 and Flux, by their own callbacks."""

from .arguments import Request
from .load import load_oracle, load_pipeline
from .run import draw

__all__ = ["Request", "draw", "load_oracle", "load_pipeline"]
