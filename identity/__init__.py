"""The service that gets broken: an emulated cloud identity service, region by region.

`core` is the service in no vendor's words: coroutines over ports, standard library only. `azure` has one vendor's surfaces,
`roles` hangs them onto the core's roles, `wire` is the codec of HTTP. `server` puts the very same nodes on sockets, with
real signing and a durable store.
"""
