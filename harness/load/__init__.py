"""Load: the plan as data, the client models as coroutines, and the driver that runs Locust in a process of its own."""
