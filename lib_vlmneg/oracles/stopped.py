"""What is raised when the user stops something that answers questions."""


class Stopped(RuntimeError):
    """The user stopped it; there is nothing to mend."""
