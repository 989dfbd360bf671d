"""Brownout: breaks an emulated cloud identity service on purpose and says whether what depends on it stayed available.

The packages are the folders at the top of the repository, linked here so that one name covers them all.
"""

__version__ = "0.1.0"
