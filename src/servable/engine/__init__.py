"""How a graph is run: partition, plan, loop, and the backends that compute."""
