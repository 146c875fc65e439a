"""The page to try a model by hand: one of HTML, one of style, one of script."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

_FOLDER = Path(__file__).parent
_FILES = {"/": "index.html", "/page.css": "page.css", "/page.js": "page.js"}
# The page asks nobody but this server, and shows nothing but itself.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def routes() -> list[Route]:
    """Returns the page's routes."""

    async def answer(request: Request) -> Response:
        return FileResponse(_FOLDER / _FILES[request.url.path], headers=_HEADERS)

    return [Route(path, answer) for path in _FILES]
