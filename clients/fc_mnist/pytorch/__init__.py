"""FC-MNIST in PyTorch: model.py, data.py, utils.py, configs/params.yaml and run.py, as a user lays them out."""
