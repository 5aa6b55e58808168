"""Old names over clients.tensorflow."""
