"""What AWS documents of its resilience, as tests."""
