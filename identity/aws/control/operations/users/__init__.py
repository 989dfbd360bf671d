"""Users, groups, and which users are in which groups."""
