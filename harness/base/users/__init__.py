"""What is of the person who runs Brownout: files of code that an experiment names, and processes of an application."""
