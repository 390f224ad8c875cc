"""The injectors, each named for what it breaks; `table` has every fault by its number."""
