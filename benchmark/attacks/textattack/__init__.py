"""TextAttack as a second backend: its search with our parts, and any of its attacks as an evaluation task."""
