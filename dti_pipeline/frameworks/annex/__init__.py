"""Official annexes in and out: a table of a decision -> a level of a framework, and back.

`read_annex` reads XLSX, DOCX, HTML or CSV and reports row by row, `write_level` puts the level into a framework file,
`export_annex` prints a level as such a table. Not here: the command line and the library's working annexes.
"""

from __future__ import annotations

from dti_pipeline.frameworks.annex.build import read_annex
from dti_pipeline.frameworks.annex.export import export_annex
from dti_pipeline.frameworks.annex.report import AnnexReport, Problem, RowReport
from dti_pipeline.frameworks.annex.tables import FORMATS, Format
from dti_pipeline.frameworks.annex.write import AnnexNotWritten, write_level

__all__ = [
    "FORMATS",
    "AnnexNotWritten",
    "AnnexReport",
    "Format",
    "Problem",
    "RowReport",
    "export_annex",
    "read_annex",
    "write_level",
]
