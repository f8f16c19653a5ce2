"""Errors of idempotency keys, with their codes."""

from assay.shared.problems import Problem


class InvalidKeyError(Problem):
    code, status, title = "invalid_idempotency_key", 400, "The header Idempotency-Key is not of the form that is taken"


class KeyInUseError(Problem):
    code, status, title = "idempotency_key_in_use", 409, "A request with this Idempotency-Key is being worked on"


class KeyReusedError(Problem):
    code, status, title = "idempotency_key_reused", 422, "This Idempotency-Key was used with another request"
