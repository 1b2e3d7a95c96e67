"""GoAccess: visitors of portals, from JSON reports made of access logs."""
