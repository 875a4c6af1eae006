"""Paper figures: one script per figure, each with ``draw(folder) -> Path``; they use the public API only."""
