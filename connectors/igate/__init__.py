"""VNPT iGate v2, a provincial one-stop system: its statistics."""
