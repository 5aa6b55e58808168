"""FC-MNIST: the reference project, a fully connected network on handwritten digits."""
