"""What the sources promise of an identity's life, promise by promise."""
