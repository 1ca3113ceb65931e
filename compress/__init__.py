"""Recipes, steps, search, report and the command line."""
