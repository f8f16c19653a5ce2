"""`make bench`: what Assay takes, measured from outside, beside what an expert or another system takes for the same."""
