"""The report: facts first, then words, tables and pictures, then HTML and Markdown."""

import compress.common.matplotlib_files  # noqa: F401 - before matplotlib is
