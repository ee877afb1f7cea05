"""What answers questions about pictures."""
