"""What a plan asks of an image and of a run."""
