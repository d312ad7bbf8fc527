-- For PostgreSQL's planner; SQLite's walks along the order of itself.
SELECT 1;
