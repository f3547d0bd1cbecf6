"""The same for programs: JSON, text and streams, mostly under /api/v1."""
