"""`Idempotency-Key`: a request that is sent again has the effect and the answer of the first one."""
