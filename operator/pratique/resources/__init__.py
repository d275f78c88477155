"""The pydantic models of every kind: the one source of CRDs, documentation and validation."""
