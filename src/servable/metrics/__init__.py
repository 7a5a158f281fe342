"""What the server counts and times, and the page that shows it to Prometheus."""
