"""Candidate -> ONNX and the files of other runtimes, each proved equal to the network."""
