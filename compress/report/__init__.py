"""The report: facts first, then words, tables and pictures, then HTML and Markdown."""
