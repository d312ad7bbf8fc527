"""The rules of the cinema, by what they are about."""
