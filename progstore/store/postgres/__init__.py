"""A store in a PostgreSQL database, for the programs of several machines."""
