"""The application that a run is about, while the run goes on."""
