"""A province's list of its databases, platforms and data items, and who uses them."""
