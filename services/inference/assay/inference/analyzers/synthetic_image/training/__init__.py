"""How the weights came about: `python -m assay.inference.analyzers.synthetic_image.training STEP`."""
