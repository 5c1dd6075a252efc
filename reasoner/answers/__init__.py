"""What is said of a solved problem: the plan, its reasons, what is unknown, what else there is."""
