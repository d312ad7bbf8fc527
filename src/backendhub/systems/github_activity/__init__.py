"""What people do on GitHub: their feed with correct push counts, an archive, digests and a heat map."""
