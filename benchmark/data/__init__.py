"""Data sets: sources, label maps, selection, splits, and the overlap of training and evaluation data."""

from benchmark.data.dataset import Dataset, Example, LoadReport, Splits
from benchmark.data.dataset_loader import load
from benchmark.data.overlap import Overlap, TrainingIndex, overlap
from benchmark.data.selection import limited, split, stratified
from benchmark.data.spec import DataSpec, LabelSpec, Thresholds, how_to_get, missing_reason

__all__ = [
    "DataSpec",
    "Dataset",
    "Example",
    "LabelSpec",
    "LoadReport",
    "Overlap",
    "Splits",
    "Thresholds",
    "TrainingIndex",
    "how_to_get",
    "limited",
    "load",
    "missing_reason",
    "overlap",
    "split",
    "stratified",
]
