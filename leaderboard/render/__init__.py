"""Renderers, one per file of the leaderboard."""
