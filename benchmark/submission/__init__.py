"""Submissions: a run gathered into one folder, and a stranger's folder verified without running its code."""
