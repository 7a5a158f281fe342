"""SavedModel directories on disk, read into plain objects; nothing here knows an op."""
