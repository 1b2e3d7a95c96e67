"""The night as Dagster assets, one file per stage; read `harvest.py` to `rankings.py` top to bottom."""
