"""The service that gets broken: an emulated cloud identity service, region by region.

`identity.core` is pure: coroutines over ports, standard library only. `brownout.identity.server` puts the very same nodes on
sockets, with real signing and a durable store.
"""
