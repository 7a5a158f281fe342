"""Which versions answer requests that name none, and which run copies of them."""
