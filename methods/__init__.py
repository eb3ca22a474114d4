"""Fine-tuning methods, one file each, found through the entry points of group ``temper.methods``."""
