"""What a region knows of the account, and how it lets callers in by that alone.

`replica` keeps the newest account that the directory published, `index` finds in it what a request needs, `usage` remembers
what was used until the directory is told, `annex` hangs them on a node and says who calls and what they may do. Nothing here
asks another node while a request waits.
"""
