"""The wire: forms, parameters, errors, versions, expansion, lists, searches, operations."""
