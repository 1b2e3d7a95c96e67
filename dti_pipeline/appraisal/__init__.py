"""Appraisal: people decide on cells, every decision is an event in a chain, and nothing is edited.

Here: events and what they come to (`model.py`, `decisions.py`, `rulings.py`), who may do what and when (`scope.py`),
the chain and whether it holds (`chain.py`, `verify.py`), the service that appends to it (`service.py`), what an action
moves (`effects.py`), what appraisers look at (`views.py`, `worksheet.py`). Not here: merging, faces.
"""
