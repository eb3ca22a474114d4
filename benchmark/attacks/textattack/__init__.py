"""TextAttack as the other backend: its own search on our parts, and any attack of its own as a probe."""
