"""The worker: a process that holds torch and the models, so that the app never has to."""
