"""Figures as PNG: each draws facts that were computed before; no dates or versions go into the pictures."""
