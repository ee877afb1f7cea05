"""A complete small text-to-image stack: Stable Diffusion 1's layout at 128x128, with a question-answering eye and a judge."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
VILT = WEIGHTS / "vilt"
JUDGE = WEIGHTS / "judge"
TINY_DECODER = WEIGHTS / "taesd"
