"""FC-MNIST in TensorFlow: model.py, data.py, utils.py, configs/params.yaml and run.py, as a user lays them out."""
