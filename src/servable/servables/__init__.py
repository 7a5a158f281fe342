"""What a loaded model is."""
