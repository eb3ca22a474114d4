"""Records, suite cards and their validation: the standard library only, and the one thing the board imports."""

from benchmark.schema.canonical import canonical_json, file_fingerprint, fingerprint
from benchmark.schema.cards import CARD_SCHEMA_VERSION, UNITS, Card, card_fingerprint
from benchmark.schema.companions import MOST_EXAMPLES, attack_example_line, method_card_text
from benchmark.schema.errors import IntegrityError, TemperError, UnavailableError, UsageError, nearest
from benchmark.schema.fields import Problem, excerpt, printable
from benchmark.schema.folders import Dropped, SuiteFolder, read_results
from benchmark.schema.migrations import migrate, migrate_card
from benchmark.schema.published import published_files, read_published, suite_of
from benchmark.schema.reading import Located, read_records, read_suite_card, record_line, suite_card_text
from benchmark.schema.records import (
    MASKING,
    PERSPECTIVES,
    RECORD_SCHEMA_VERSION,
    VERIFICATIONS,
    Record,
    line_order,
    method_slug,
    record_key,
    record_path,
    row_key,
)
from benchmark.schema.validation import validate_record, validate_suite_card

__all__ = [
    "CARD_SCHEMA_VERSION",
    "MASKING",
    "MOST_EXAMPLES",
    "PERSPECTIVES",
    "RECORD_SCHEMA_VERSION",
    "UNITS",
    "VERIFICATIONS",
    "Card",
    "Dropped",
    "IntegrityError",
    "Located",
    "Problem",
    "Record",
    "SuiteFolder",
    "TemperError",
    "UnavailableError",
    "UsageError",
    "attack_example_line",
    "canonical_json",
    "card_fingerprint",
    "excerpt",
    "file_fingerprint",
    "fingerprint",
    "line_order",
    "method_card_text",
    "method_slug",
    "migrate",
    "migrate_card",
    "nearest",
    "printable",
    "published_files",
    "read_published",
    "read_records",
    "read_results",
    "read_suite_card",
    "record_key",
    "record_line",
    "record_path",
    "row_key",
    "suite_card_text",
    "suite_of",
    "validate_record",
    "validate_suite_card",
]
