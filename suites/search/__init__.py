"""The search for schedules that no experiment lists: draws them, carries them out in the simulation, shrinks what breaks."""
