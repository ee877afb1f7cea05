"""Negative prompts that see: a vision-language model watches a picture being drawn and says what to push it away from."""

__version__ = "0.1.0"
