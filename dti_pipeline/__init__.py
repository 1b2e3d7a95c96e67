"""Scores digital government from evidence that anybody can check. The chain: `docs/architecture.md`."""

__version__ = "0.1.0"
