"""What is known, made ready for questions: rules read, closed, compiled, named."""
