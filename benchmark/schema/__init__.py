"""The formats that programs exchange: pydantic models, canonical JSON and the results folder.

Records, cards and attachments are typed dictionaries that pydantic validates: a line of a results file becomes one
dictionary in one pass. The leaderboard imports nothing else of the engine.
"""

from benchmark.schema.attachments import MOST_EXAMPLES, attack_example_line, method_card_text
from benchmark.schema.canonical import canonical_json, file_fingerprint, fingerprint, parse_json
from benchmark.schema.errors import (
    IntegrityError,
    Problem,
    TemperError,
    UnavailableError,
    UsageError,
    excerpt,
    nearest,
    printable,
    visible,
)
from benchmark.schema.migrations import CARD_SCHEMA_VERSION, RECORD_SCHEMA_VERSION, migrate, migrate_card
from benchmark.schema.record import (
    MASKING,
    PERSPECTIVES,
    SANITY_CHECKS,
    VERIFICATIONS,
    Record,
    line_order,
    method_slug,
    record_key,
    record_line,
    record_path,
    row_key,
    validate_record,
)
from benchmark.schema.results_folder import (
    DroppedItem,
    LocatedRecord,
    SuiteFolder,
    published_files,
    read_published,
    read_records,
    read_results,
    suite_of,
)
from benchmark.schema.suite_card import (
    UNITS,
    Card,
    card_fingerprint,
    read_suite_card,
    suite_card_text,
    validate_suite_card,
)

__all__ = [
    "CARD_SCHEMA_VERSION",
    "MASKING",
    "MOST_EXAMPLES",
    "PERSPECTIVES",
    "RECORD_SCHEMA_VERSION",
    "SANITY_CHECKS",
    "UNITS",
    "VERIFICATIONS",
    "Card",
    "DroppedItem",
    "IntegrityError",
    "LocatedRecord",
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
    "parse_json",
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
    "visible",
]
