"""The rules of each kind of object."""
