"""The choice as a problem: the catalogue of options, what they need, what a request leaves of them."""
