"""Source system: WSO2 API Manager as a province's data platform (LGSP)."""
