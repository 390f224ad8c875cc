"""Programs that do the same work with other technologies, in a virtual environment of the benchmarks."""
