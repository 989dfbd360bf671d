"""Building the images of the world `compose`, from a checkout and from an installed package alike.

Theory. What goes into an image is part of the package: its code, the Dockerfiles and the locked lists of Python packages. So a
build first lays these out in a folder of its own, as a checkout has them (`sources`), and gives the engine that folder. Where
no image registry can be reached, the parts that a registry's base would bring are made from packages beforehand (`parts`):
the base from Debian's (mmdebstrap, `docker import`), Python packages from the locked lists, Toxiproxy by Go's client. Both
ways run the same Dockerfile and give images of the same names.

Every image, and every part that goes into one, carries a digest of its inputs; what is up to date is not made again. Images of
ours whose name a newer one has taken are removed.
"""
