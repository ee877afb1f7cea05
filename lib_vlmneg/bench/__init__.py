"""The papers' questions, measured."""
