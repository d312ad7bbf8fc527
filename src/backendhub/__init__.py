"""backendhub: one command that puts a whole back-end workbench on your machine."""

__version__ = "0.1.0"
