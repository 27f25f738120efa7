"""The token that opens the service: made at the first start, in a file that only its owner may read."""

import hmac
import os
import secrets
from pathlib import Path

from pnetkit.errors import StoreError
from pnetkit.files import disk_errors_in_words, write_first

LEAST_LETTERS = 16


def token_in(path: Path) -> str:
    """Read the token of a file, which is made where there is none.

    Raises:
        StoreError: the file may be read by others, is too short to be a token, or cannot be read or written.
    """
    with disk_errors_in_words(path):
        if not path.exists():
            write_first(path, f"{secrets.token_urlsafe(32)}\n".encode(), mode=0o600)  # another may be making it too
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise StoreError(f"{path}: others may read the token. Make it yours alone: chmod 600 {path}")
        token = path.read_text(encoding="ascii", errors="replace").strip()
    if len(token) < LEAST_LETTERS or not token.isprintable() or " " in token:
        raise StoreError(f"{path}: holds no token; wanted {LEAST_LETTERS} letters or more. Delete it, and one is made.")
    return token


def is_authorized(header: str | None, token: str) -> bool:
    """Tell whether a header `Authorization` bears the token, in a time that says nothing of how nearly it does."""
    scheme, _, given = (header or "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
