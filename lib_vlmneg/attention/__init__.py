"""Where a guidance takes hold of a model's attention, whatever the host."""
