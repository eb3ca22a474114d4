"""Time reading a results folder, relative to parsing its lines as JSON: `python -m tests.performance.record_speed`.

The records are those of `board_speed`: valid, in the shape of a real suite, a quarter of them with 200 replicates.
"""

import argparse
import tempfile
from pathlib import Path

from benchmark.schema import read_results
from tests.performance.board_speed import read_json, timed, write_large


def main() -> None:
    """Print the ratio of CPU times, the smaller of two turns each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        count = write_large(root, arguments.records)
        floor = min(timed(lambda: read_json(root)) for _ in range(2))
        reading = min(timed(lambda: read_results(root)) for _ in range(2))
        print(f"{count} records: {reading / floor:.2f} times reading the lines ({floor:.1f} s)")


if __name__ == "__main__":
    main()
