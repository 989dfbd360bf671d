"""Standing stacks for the tests of this folder."""

from support.standing_fixtures import gameday, home, stand

__all__ = ["gameday", "home", "stand"]
