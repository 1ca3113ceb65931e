"""What is measured on a candidate: one file per metric."""
