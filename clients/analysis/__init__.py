"""What a job's input brings: measured through the real service, and how many tasks of which size it takes."""
