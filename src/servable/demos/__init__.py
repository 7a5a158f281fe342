"""Small trained models that ship with the package, so that there is something to serve at once.

Each folder holds SavedModels laid out as a server's base path, and real data they
never saw in training. How they were made is under `examples/`.
"""
