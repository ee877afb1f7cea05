"""The engine on Hugging Face diffusers; `families` says with which pipelines."""

from .arguments import Request
from .load import load_oracle, load_pipeline
from .run import draw, pushed

__all__ = ["Request", "draw", "load_oracle", "load_pipeline", "pushed"]
