"""Visit counters printed in the HTML of agencies' portals."""
