"""What a client is told when a request cannot be answered."""

from pnetkit.errors import PnetkitError


class RequestError(PnetkitError):
    """Report a request that cannot be answered, with the status of HTTP that says so."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)

    def __reduce__(self) -> tuple[type["RequestError"], tuple[int, str]]:
        """Travel between processes as what it was made of, which is not what `Exception` keeps."""
        return type(self), (self.status, str(self))
