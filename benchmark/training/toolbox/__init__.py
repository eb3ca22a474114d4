"""The parts that methods are made of: ascent, consistency losses, importance, masks."""
