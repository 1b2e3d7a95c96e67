"""Digital signatures of evidence files: who signed, when, for which unit, and whether the file is still as signed.

Here: the check (`check.py`), what a PDF holds (`reading.py`), who may sign (`registry.py`), whom to trust (`trust.py`)
and the words of every verdict (`verdicts.yaml`). Not here: taking files in and keeping results (`evidence/intake.py`),
what an unsigned document is worth (policies).
"""
