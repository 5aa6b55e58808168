"""Old names that say something to the compiler of that time, and its performance reports."""
