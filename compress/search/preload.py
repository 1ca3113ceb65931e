"""What the server that workers are forked from imports once: the allocator is set before anything allocates."""

from eval.allocation import keep_freed_memory

keep_freed_memory()

import compress.search.processes  # noqa: E402, F401
