"""Files on disk: they appear whole, and say what is wrong with them."""
