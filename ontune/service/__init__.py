"""The HTTP service: the SPARQL 1.1 protocol at /sparql, REST at /api, a page at /."""
