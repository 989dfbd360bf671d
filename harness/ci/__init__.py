"""What a CI service gets of a run: copies of its reports, a summary of the job, and annotations.

A service is recognised by the variables that it sets, and what it reads is written as it documents it. None of this decides
anything: a copy that cannot be written is told, and the verdict and the exit code stay the run's.
"""
