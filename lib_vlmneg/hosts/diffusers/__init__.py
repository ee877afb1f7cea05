"""The engine on Hugging Face diffusers: any pipeline with a negative prompt, by its own callbacks."""

from .load import load_oracle, load_pipeline
from .run import Request, draw

__all__ = ["Request", "draw", "load_oracle", "load_pipeline"]
