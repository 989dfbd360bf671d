"""What `brownout init` writes: files that pass at once, from the templates beside this package."""
