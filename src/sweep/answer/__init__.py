"""What a study says: figures with their certainty, curves, languages, trainings and costs, read from its folder."""
