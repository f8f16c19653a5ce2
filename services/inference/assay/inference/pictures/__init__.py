"""What image analyzers share: safe decoding, the frames of a picture, what was enlarged, and drawings over it.

picture = open_picture(media)                  # reads the header; raises what an analyzer may raise
pixels = picture.rgb()                         # uint8 (H, W, 3), upright, as people see it
finding = ..., where={"box": [x, y, width, height]}          # boxes are told in the upright frame
png = draw(pixels, heat=heat, boxes=[Marked((x, y, w, h), "why")])
"""

from assay.inference.pictures.drawing import LONGEST_SIDE, Marked, as_png, draw, shrunk
from assay.inference.pictures.enlargement import ENLARGED_FROM, periodicity
from assay.inference.pictures.frame import inside_frame
from assay.inference.pictures.orientation import Box, stored_box, turned_size, upright, upright_box
from assay.inference.pictures.source import FORMATS, MAX_PIXELS, Picture, PictureTooLargeError, open_picture

__all__ = [
    "ENLARGED_FROM",
    "FORMATS",
    "LONGEST_SIDE",
    "MAX_PIXELS",
    "Box",
    "Marked",
    "Picture",
    "PictureTooLargeError",
    "as_png",
    "draw",
    "inside_frame",
    "open_picture",
    "periodicity",
    "shrunk",
    "stored_box",
    "turned_size",
    "upright",
    "upright_box",
]
