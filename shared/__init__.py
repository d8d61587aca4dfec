"""What every stage stands on, and no stage needs to explain."""
