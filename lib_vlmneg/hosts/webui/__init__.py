"""AUTOMATIC1111's WebUI and its family (Forge, reForge, Classic, Neo): one adapter, which asks the host what it can."""

from .administration import Administration
from .extension import Extension

__all__ = ["Administration", "Extension"]
