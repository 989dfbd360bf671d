"""How pods on the nodes of a cluster get tokens: by the workload identity of today, and by the pod identity before it."""
