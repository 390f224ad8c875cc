"""The formatting of values, and the words for states and events, in the back office."""
