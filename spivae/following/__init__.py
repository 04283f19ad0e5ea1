"""Following trainings: what their files tell, as curves in bounded memory, as one view and as a figure."""
