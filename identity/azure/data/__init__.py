"""What the protected APIs of a vault node share: the data of their region, who calls, and where they stand among resources."""
