"""The life cycle of versions: what is loaded, when, and how requests hold on to it."""
