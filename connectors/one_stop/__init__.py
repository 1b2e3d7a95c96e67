"""Provincial one-stop system: dossier synchronisation records, from a drop folder or a REST listing."""
