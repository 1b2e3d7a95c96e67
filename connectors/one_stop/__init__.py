"""Provincial one-stop system: dossier records from a drop folder or a REST listing, and its list of procedures."""
