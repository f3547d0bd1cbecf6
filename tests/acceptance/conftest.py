"""What acceptance tests share with those of the web: servers, and a store that a test fills."""

from tests.web.conftest import filled, serve

__all__ = ["filled", "serve"]
