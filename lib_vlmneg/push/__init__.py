"""How the terms act on a call of the denoiser, whatever the host."""
