"""The search for schedules that nobody wrote down: draws them, carries them out in the simulation, shrinks what breaks."""
