"""Side-by-side measurements against peers, and the demo."""
