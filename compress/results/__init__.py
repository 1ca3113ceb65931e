"""Records and what is derived from them: columns, objectives, Pareto front, goals, budgets, tables."""
