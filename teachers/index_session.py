"""HTTP as pip would do it: its proxy, its certificates, the credentials of one index for that index alone.

Everything is bounded, so that being offline is told in seconds, and what is told never holds a credential.
"""

import re
import ssl
import warnings
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InsecureRequestWarning
from urllib3.util.retry import Retry

from teachers.pip_settings import IndexSettings, without_credentials

TIMEOUT_S = (10.0, 30.0)
"""To connect, and between two pieces of an answer."""


def open_session(location: str, settings: IndexSettings) -> tuple[requests.Session, str]:
    """A session for one index, and the index's address without its credentials, which the session now holds."""
    parts = urlsplit(location)
    session = _Session(settings, parts)
    return session, urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def shown(location: str) -> str:
    """How a place is named to the user: a web address by its host alone, for some carry a token in the path."""
    if "://" not in location or location.startswith("file:"):
        return re.sub(r"^[^/]*:[^/]*@", "", location)  # a web address whose scheme was forgotten
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def what_failed(error: requests.RequestException) -> str:
    """The cause in plain words."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        hint = "; its credentials are missing or refused" if status in (401, 403, 407) else ""
        return f"answered {status} {error.response.reason or ''}".rstrip() + hint
    detail = _innermost(error)
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy refuses or is not reached: {detail}"
    if isinstance(error, requests.exceptions.SSLError):
        return f"no trusted TLS connection: {detail}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT_S[0]:.0f} s to connect and {TIMEOUT_S[1]:.0f} s to read"
    if isinstance(error, requests.ConnectionError):
        return f"cannot be reached: {detail}"
    return f"cannot be asked ({type(error).__name__})"


def _innermost(error: BaseException) -> str:
    """requests wraps urllib3's retry error, which wraps the reason, whose text starts with the object's repr."""
    inner = error.args[0] if error.args else error
    reason = getattr(inner, "reason", None) or inner
    text = str(reason)
    return without_credentials(text.rpartition("): ")[2] or text)


class _Session(requests.Session):
    """requests lets environment variables win over a session's own settings; pip's settings win here."""

    def __init__(self, settings: IndexSettings, index: SplitResult) -> None:
        super().__init__()
        self._settings = settings
        self._origin = (index.scheme, index.hostname, index.port)
        self._login = (unquote(index.username), unquote(index.password or "")) if index.username else None
        self.mount("https://", _SystemTrust(max_retries=_retries()))
        self.mount("http://", HTTPAdapter(max_retries=_retries()))
        for host in settings.trusted_hosts:
            self.mount(f"https://{host}/", HTTPAdapter(max_retries=_retries()))
            if ":" not in host:
                self.mount(f"https://{host}:", HTTPAdapter(max_retries=_retries()))

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        parts = urlsplit(str(request.url))
        if self._login and (parts.scheme, parts.hostname, parts.port) == self._origin:
            request.auth = self._login
        return super().prepare_request(request)

    def merge_environment_settings(self, url: Any, *others: Any, **named: Any) -> Any:
        merged = super().merge_environment_settings(url, *others, **named)
        if self._settings.proxy:
            merged["proxies"] = {"http": self._settings.proxy, "https": self._settings.proxy}
        if self._settings.cert:
            merged["verify"] = self._settings.cert
        if self._settings.client_cert:
            merged["cert"] = self._settings.client_cert
        parts = urlsplit(str(url))
        if {parts.hostname, parts.netloc.rpartition("@")[2]} & set(self._settings.trusted_hosts):
            merged["verify"] = False  # the user told pip so; what is pulled is still checked by its hash
        return merged

    def send(self, request: requests.PreparedRequest, **named: Any) -> requests.Response:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsecureRequestWarning)
            try:
                return super().send(request, **named)
            except requests.RequestException:
                raise
            except OSError as error:  # a certificate file that is not there
                raise requests.ConnectionError(str(error)) from error


class _SystemTrust(HTTPAdapter):
    """Trusts what the system trusts besides requests' own list, as pip does: many firms sign their mirrors."""

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, ssl_context=ssl.create_default_context(), **named)

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=ssl.create_default_context(), **named)


def _retries() -> Retry:
    """Few and short: a server may not tell us to wait for an hour."""
    return Retry(
        total=2,
        connect=1,
        backoff_factor=0.3,
        status_forcelist=(500, 502, 503, 504),
        raise_on_status=False,
        respect_retry_after_header=False,
    )
