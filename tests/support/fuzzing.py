"""Requests that schemathesis makes of an OpenAPI document: at the edges of what it describes, and beyond them.

The same document makes the same requests each time. What is answered has to be what the document says, and never 5xx.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    missing_required_header,
    unsupported_method,
]
REFUSED = {"expected-statuses": ["4xx"]}
CONFIG = {"checks": {"negative_data_rejection": REFUSED, "missing_required_header": REFUSED}}
PROBLEM = "application/problem+json"
TIMEOUT_S = 20.0


@schemathesis.serializer("application/offset+octet-stream")
def _plain_bytes(_: Any, value: Any) -> dict[str, Any]:
    return {"data": value if isinstance(value, bytes) else getattr(value, "data", str(value).encode())}


class Fuzzer:
    """Asks one service, or the gateway."""

    def __init__(self, document: Mapping[str, Any], url: str, headers: Mapping[str, str]) -> None:
        """headers: sent with each request."""
        self._schema = schemathesis.openapi.from_dict(dict(document), config=schemathesis.Config.from_dict(CONFIG))
        self._url = url
        self._headers = dict(headers)
        self._session = requests.Session()
        self.codes = {each["code"] for each in document["x-assay"]["errors"]} if "x-assay" in document else set()
        self.statuses: dict[str, set[int]] = {}
        """What each operation has answered, by its label: `GET /api/v1/limits`."""

    def operations(self) -> Iterator[Any]:
        """All that the document describes."""
        for found in self._schema.get_all_operations():
            yield found.ok()

    def try_edges(self, operation: Any) -> None:
        """Each parameter and each field of a body at its limits, one beyond them, missing, and of another type."""
        config = self._schema.config.generation_for(operation=operation)
        for case in self._schema.iter_coverage_cases(operation, generation_modes=MODES, generation_config=config):
            self.ask(case)

    def try_anything(self, operation: Any, known: Mapping[str, Sequence[str]], examples: int) -> None:
        """Random requests, right and wrong ones. known: parameters of paths, and values that there are of each."""
        self._try(operation, GenerationMode.POSITIVE, known, examples)
        try:
            # A wrong request may be wrong in its path only, and stays as it is.
            self._try(operation, GenerationMode.NEGATIVE, {}, examples)
        except Unsatisfiable:
            # There is no wrong way of asking something that takes no words.
            assert not operation.path_parameters, operation.label

    def _try(self, operation: Any, mode: GenerationMode, known: Mapping[str, Sequence[str]], examples: int) -> None:
        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), choice=some.integers(0, 99))
        def tried(case: Case, choice: int) -> None:
            for name, values in known.items():
                if name in case.path_parameters and choice % 3:
                    case.path_parameters[name] = values[choice % len(values)]
            self.ask(case)

        tried()

    def ask(self, case: Case) -> None:
        """Send one request and judge its answer."""
        answer = case.call_and_validate(
            base_url=self._url, session=self._session, headers=self._headers, checks=CHECKS, timeout=TIMEOUT_S
        )
        self.statuses.setdefault(case.operation.label, set()).add(answer.status_code)
        if answer.status_code >= 400 and case.method != "HEAD":
            assert answer.headers["content-type"] == [PROBLEM], case.as_curl_command()
            problem = answer.json()
            assert problem["status"] == answer.status_code
            assert problem["code"]
            assert not self.codes or problem["code"] in self.codes, problem
