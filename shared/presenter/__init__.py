"""The presenter's page, keys, and invitations for the audience."""
