"""Who signed a request: Signature Version 4, the keys of a region, session tokens and one-time passwords."""
