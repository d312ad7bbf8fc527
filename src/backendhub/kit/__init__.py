"""Shared platform; knows no system."""
