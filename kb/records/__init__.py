"""Values that a request is made of: targets, workloads, sites; how they are read and named."""
