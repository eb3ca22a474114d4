"""Where text comes from: sources, label maps, selection, splits, and the overlap between training and a probe."""

from benchmark.data.dataset import Dataset, Example, LoadReport, Splits
from benchmark.data.dataset_loader import load
from benchmark.data.obtaining import absence, obtaining
from benchmark.data.overlap import Overlap, TrainingIndex, overlap
from benchmark.data.selection import limited, split, stratified
from benchmark.data.spec import DataSpec, LabelSpec, Thresholds

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
    "absence",
    "limited",
    "load",
    "obtaining",
    "overlap",
    "split",
    "stratified",
]
