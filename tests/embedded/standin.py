"""A service for the supervisor's tests: answers every request with what it sees; can be told to fail.

standin.py NAME [exit STATUS | child]
"""

import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        seen = {
            "service": sys.argv[1],
            "slot": os.environ["ASSAY_SLOT"],
            "path": self.path,
            "host": self.headers["Host"],
            "pid": os.getpid(),
            "environment": {name: value for name, value in os.environ.items() if name.startswith("ASSAY_")},
        }
        body = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_PATCH = do_GET  # noqa: N815 - the names that the base class looks for

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the log for what the tests look for."""


def main() -> None:
    if sys.argv[2:3] == ["exit"]:
        print(f"{sys.argv[1]} cannot start")
        sys.exit(int(sys.argv[3]))
    if sys.argv[2:3] == ["child"]:
        # A child that ignores what its parent is told, as a hung decoder would.
        subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(600)"])
    server = ThreadingHTTPServer((os.environ["ASSAY_HTTP__HOST"], int(os.environ["ASSAY_HTTP__PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


if __name__ == "__main__":
    main()
