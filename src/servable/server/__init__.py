"""The server as a whole: its settings, its logging, and the wiring of its parts."""
