"""Any resource as a REST API over a real database, in json-server's two dialects."""
