"""What anybody can verify of a portal from outside: its column, its dates, IPv6, TLS, pages that must be there."""
