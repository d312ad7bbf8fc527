"""Track to-dos with due dates, priorities, dependencies and recurrence."""
