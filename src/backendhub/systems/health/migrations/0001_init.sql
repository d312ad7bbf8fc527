CREATE TABLE health_incident (
  id {pk},
  name TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pass', 'warn', 'fail')),
  output TEXT,
  at TEXT NOT NULL
);
CREATE INDEX health_incident_name ON health_incident (name, id);
