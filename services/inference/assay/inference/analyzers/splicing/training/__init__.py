"""How the comparator was trained and the constants came about: pictures made of photos, measured, fitted."""
