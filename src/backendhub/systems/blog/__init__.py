"""A multi-author blog: RealWorld's Conduit under `/api`, simple `/posts` over the same rows, feeds."""
