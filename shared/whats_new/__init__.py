"""The page that shows what a stage changes."""
