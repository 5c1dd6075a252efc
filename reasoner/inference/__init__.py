"""What follows for one request."""
