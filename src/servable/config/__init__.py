"""The text files that configure a server, as plain objects."""
