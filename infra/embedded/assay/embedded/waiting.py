"""Wait for a fact, never for time."""

import http.client
import time
from collections.abc import Callable


def wait_until(fact: Callable[[], bool], seconds: float, pause: float = 0.05) -> bool:
    """True as soon as `fact()` is true; False after `seconds`."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def http_status(port: int, path: str, seconds: float = 5.0) -> int | None:
    """Status of a GET on the loopback address; None where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
