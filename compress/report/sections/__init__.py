"""Sections of the report: each file turns facts into the headings, sentences, tables and figures of one topic."""
