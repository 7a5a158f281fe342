"""Several processes that serve the same models on the same ports, as if they were one."""
