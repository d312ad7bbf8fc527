"""What is trending on GitHub: by search, by stars gained between own snapshots, or by the page itself."""
