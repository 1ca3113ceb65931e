"""The network every part agrees on, the skeleton, published weights and how they are read."""
