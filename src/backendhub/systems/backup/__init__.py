"""Database backups that can be trusted from cron: SQLite, PostgreSQL, MariaDB/MySQL, MongoDB."""
