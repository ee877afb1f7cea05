"""What the user did wrong, in one line."""


class InputError(ValueError):
    """Bad input. The message is one line that names the field, the value and what to do."""
