"""How a negative pushes: one method a file, pure functions of tensors with the paper's formula and source."""
