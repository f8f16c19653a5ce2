"""`assay up` with stand-in services, for tests: `driver.py HOME PORT JSON` with JSON `{name: [argument …]}`."""

import json
import sys
from pathlib import Path

from assay.embedded import up
from assay.embedded.services import Service
from assay.embedded.settings import Scale, StackSettings

STANDIN = Path(__file__).with_name("standin.py")
KNOWN = {
    "upload": {"ASSAY_KAFKA__SASL_PASSWORD", "ASSAY_DATABASE__URL", "ASSAY_S3__PUBLIC_URL", "ASSAY_LOG__LEVEL"},
    "inference": {"ASSAY_KAFKA__SASL_PASSWORD", "ASSAY_DATABASE__URL", "ASSAY_ANALYZER__*", "ASSAY_TRACES__PATH"},
    "results": {"ASSAY_DATABASE__URL", "ASSAY_PEERS", "ASSAY_AUTH__SECRET"},
    "notify": {"ASSAY_DATABASE__URL", "ASSAY_RESULTS_URL"},
}


def service(name: str, *arguments: str) -> Service:
    """A stand-in that reads a few variables."""
    return Service(
        name=name,
        command=(sys.executable, str(STANDIN), name, *arguments),
        known=frozenset(KNOWN[name] | {"ASSAY_HTTP__HOST", "ASSAY_HTTP__PORT", "ASSAY_SLOT"}),
    )


def main() -> int:
    home, port, services = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    settings = StackSettings(home=home, port=port, scale=Scale(upload=2))
    return up.run_until_stopped(settings, [service(name, *arguments) for name, arguments in services.items()])


if __name__ == "__main__":
    sys.exit(main())
