"""The style sheet, scripts and icon: held in memory, under a path that changes when they do."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"


class Assets:
    """All files that a page asks for. `version` is a hash over them."""

    def __init__(self) -> None:
        self._files = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in _TYPES}
        whole = blake2b(digest_size=6)
        for name, content in self._files.items():
            whole.update(name.encode() + b"\0" + content)
        self.version = whole.hexdigest()

    def path(self, name: str) -> str:
        """Where a page finds that file, below the root. Raises KeyError where there is none."""
        if name not in self._files:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"

    def route(self) -> HTTPRouteHandler:
        """The route that serves them."""

        @get("/static/{version:str}/{name:str}", sync_to_thread=False, include_in_schema=False)
        def serve(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
            content = self._files.get(name)
            if content is None:
                raise NotFoundException
            # A page from before an upgrade may ask for an older version, and must not keep what it gets for it.
            kept = _FOREVER if version == self.version else "no-cache"
            return Response(content, media_type=_TYPES[Path(name).suffix], headers={"cache-control": kept})

        return serve
