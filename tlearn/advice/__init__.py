"""What to do next, told from a run's numbers. Needs neither TensorFlow nor the photos."""
