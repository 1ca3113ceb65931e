"""recipe.yaml -> Recipe: models, grid, overrides, diagnostics, schema, search space."""
