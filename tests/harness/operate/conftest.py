"""Standing stacks for the tests of this folder."""

from support.standing_fixtures import home, stand

__all__ = ["home", "stand"]
