"""What is shown in a browser; no sampling."""
