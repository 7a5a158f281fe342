"""What nodes mean: one family of ops in a file, one decorator for each op."""
