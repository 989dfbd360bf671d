"""The roles of nodes: each keeps its state and offers its operations in words of no vendor's."""
