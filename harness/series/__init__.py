"""Claims about the system: series of runs (`episodes`), and comparisons of one side's runs with another's."""
