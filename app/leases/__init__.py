"""Remember which sandbox a session has."""
