"""URLs as messages and records may show them."""

from urllib.parse import urlsplit, urlunsplit


def without_secrets(url: str) -> str:
    """Leave query, fragment, user and password out of a URL."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
