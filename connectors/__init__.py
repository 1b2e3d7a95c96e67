"""One folder per source system: `manifest.yaml` and `connector.py`. How to add one: `docs/connectors.md`."""
