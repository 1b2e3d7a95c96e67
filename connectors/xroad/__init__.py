"""Source system: X-Road security servers (LGSP, NDXP, VDXP)."""
