"""Who computes: the host can run every op on the list; islands are optional."""
