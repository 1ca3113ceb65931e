"""Recipe -> candidates -> records: inputs, builder, runner, saved models."""
