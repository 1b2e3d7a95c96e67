"""Open-data catalogues on CKAN: data sets of each agency, and how fresh they are."""
