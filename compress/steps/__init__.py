"""Steps: each takes a candidate and gives back a smaller one."""
