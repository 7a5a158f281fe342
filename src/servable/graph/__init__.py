"""The graph and what may be done to it. Knows the names of ops, not what they compute."""
