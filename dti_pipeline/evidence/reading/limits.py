"""What is taken in and how much of it, as data (`limits.yaml`). Not here: applying it."""

from __future__ import annotations

import re
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dti_pipeline.datafiles import read_model
from dti_pipeline.frameworks.model import Text

TypeName = Literal["pdf", "xlsx", "docx", "pptx", "odt", "ods", "png", "jpeg", "tiff", "csv", "json"]
Count = Annotated[int, Field(gt=0)]


def _compiles(pattern: str) -> str:
    re.compile(pattern)
    return pattern


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileType(_Model):
    name: TypeName
    words: Text
    media_type: Text
    extensions: tuple[Text, ...] = Field(min_length=1)
    max_bytes: Count
    office: Text | None = None
    """Content type of the main part, for Office files."""
    evidence: bool = True
    """Whether evidence may be of this type."""


class ReportLimits(_Model):
    max_bytes: dict[TypeName, Count]
    max_lines: Count


class ArchiveLimits(_Model):
    max_parts: Count
    max_unpacked: Count
    max_ratio: Count
    ratio_from: Count


class SheetLimits(_Model):
    max_sheets: Count
    max_rows: Count
    max_columns: Count
    max_elements: Count
    max_characters: Count
    max_merged: Count
    max_styles: Count
    header_rows: Count


class TextLimits(_Model):
    max_characters: Count
    max_name: Count
    max_name_bytes: Count
    max_problems: Count


class Never(_Model):
    starts: Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")]
    words: Text


class NeverText(_Model):
    pattern: Annotated[str, AfterValidator(_compiles)]
    words: Text


class Limits(_Model):
    report: ReportLimits
    archive: ArchiveLimits
    sheet: SheetLimits
    text: TextLimits
    pages: Count
    pixels: Count
    types: tuple[FileType, ...]
    never: tuple[Never, ...]
    never_text: tuple[NeverText, ...]
    never_extensions: frozenset[str]
    device_names: frozenset[str]
    legacy_fonts: dict[Literal["TCVN3", "VNI"], tuple[Text, ...]]

    @cached_property
    def by_name(self) -> dict[TypeName, FileType]:
        return {item.name: item for item in self.types}

    @cached_property
    def known_extensions(self) -> frozenset[str]:
        return frozenset(extension for item in self.types for extension in item.extensions)


@cache
def limits() -> Limits:
    """The limits of `limits.yaml`. Raises DataFileError."""
    return read_model(Path(__file__).with_name("limits.yaml"), Limits)
