"""AUTOMATIC1111's WebUI and its family (Forge, reForge, Classic, Neo): one adapter, which asks the host what it can."""

from .extension import Extension
from .options import add_options

__all__ = ["Extension", "add_options"]
