"""How this analyzer's constants came about: pictures made from photos, measured, and lines laid through them."""
