"""A trained run taken up again: opened from its folder, and exported."""
