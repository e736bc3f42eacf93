"""URLs as messages and records may show them, and what of them is a secret."""

import os
import re
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pydantic import AfterValidator

# An environment variable: what belongs behind the ? of each URL, and is written down nowhere.
QUERY = "MUSECL_URL_QUERY"
SECRET = re.compile(
    r"(?i)(.*[-_])?(sig|signature|token|(api|access)?key|password|secret|auth)|x-(amz|goog)-.*"
    r"|awsaccesskeyid"
)


def without_secrets(url: str) -> str:
    """Leave query, fragment, user and password out of a URL."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def hide_secrets(text: str) -> str:
    """Leave out of a text what `without_secrets` does of each URL in it."""
    return re.sub(r"\w+://[^\s'\"]+", lambda found: without_secrets(found[0]), text)


def secret_in(url: str) -> str | None:
    """Say what of a URL is a secret: a user or password, or a parameter; None where nothing is."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        return "a user or password"
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    return next((f"the secret {name}" for name in names if SECRET.fullmatch(name)), None)


def with_query(url: str) -> str:
    """Add the query of the environment to a URL, to ask for it; nothing where that is unset."""
    query = os.environ.get(QUERY, "").strip().lstrip("?&")
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _without_a_secret(url: str) -> str:
    secret = secret_in(url)
    if secret is not None:
        raise ValueError(
            f"{without_secrets(url)} holds {secret}, which params.yaml would bring into git; take "
            "a service that asks for none"
        )
    return url


ServiceUrl = Annotated[str, AfterValidator(_without_a_secret)]
