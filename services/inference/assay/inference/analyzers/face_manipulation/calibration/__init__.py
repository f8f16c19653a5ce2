"""Where the constants of `fusion.py` come from: `python -m assay.inference.analyzers.face_manipulation.calibration`."""
