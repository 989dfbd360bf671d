"""`brownout metrics`, and what `brownout run` tells to monitoring systems."""
