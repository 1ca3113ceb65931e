"""Deep compression on disk: Huffman-coded weights in one file."""
