"""What is on disk: tables, engines, schema, batches in, questions out, retention; `store.py` is the face of it."""
