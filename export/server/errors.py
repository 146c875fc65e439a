"""What a request is answered when it has no answer."""

from collections.abc import Mapping


class RequestError(Exception):
    """A request that gets an error in place of an answer.

    Args:
        status: of HTTP.
        message: what the answer's `error` says.
        headers: more of the answer's headers.
    """

    def __init__(
        self, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def invalid(message: str) -> RequestError:
    """Returns the error of a request that says something wrong."""
    return RequestError(400, message)
