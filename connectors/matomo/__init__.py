"""Matomo: visits of portals, from the Reporting API."""
