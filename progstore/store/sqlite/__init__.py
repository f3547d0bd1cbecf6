"""A store in an SQLite file, for the programs of one machine."""
