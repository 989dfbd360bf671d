"""Negative controls: of everything that ships and can go red, one case in which it must (`make controls` runs them all).

A check that cannot fail proves nothing, however green it is. So each experiment names a posture under which its verdict is a
breach, each invariant has a history that violates it, each gate a run that trips it, and each fault a stub world in which it
does not bite. Beside each stands its twin, which differs in that one thing and must come out the other way: without it, what is
always red would pass for a control.

A control is a line of data or is collected from where it lies already (experiment files, `support.invariant_controls`,
`support.fault_cases`). What ships without one is refused by `registry.refusals`.
"""
