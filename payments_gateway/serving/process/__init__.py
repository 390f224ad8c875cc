"""The life of a serving process: its memory, its signals and its graceful shutdown."""
