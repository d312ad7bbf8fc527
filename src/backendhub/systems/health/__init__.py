"""A health endpoint for anything: checks given on the command line, probes, incidents, metrics."""
