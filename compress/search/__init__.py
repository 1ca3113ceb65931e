"""The search: Optuna varies paths of a recipe from outside; each trial is a recipe that can be run alone."""
