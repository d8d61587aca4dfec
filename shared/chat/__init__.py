"""The domain of the stages: rooms, messages, names, moderation, usage."""
