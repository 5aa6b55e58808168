"""TensorFlow as CSoft's users write it: model_fn, input_fn and an estimator."""
