"""What tests share: stand-ins, drivers, builders and the places of a checkout."""
