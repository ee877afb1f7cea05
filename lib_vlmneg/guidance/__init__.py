"""How a negative pushes: one method a file, each a pure function of what the model predicted."""
