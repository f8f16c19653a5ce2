"""The weights of other people that this analyzer needs. They are not part of Assay."""

from dataclasses import dataclass

from assay.sdk import Weights

BLAZEFACE, ANCHORS = "blazeface.pth", "anchors.npy"
ULTRALIGHT = "version-RFB-320.onnx"
MESONETS = ("Meso4_DF.h5", "MesoInception_DF.h5", "Meso4_F2F.h5", "MesoInception_F2F.h5")
ENCODERS = ("full_encoder_46.pt", "finetune_encoder_26.pt")
DECODER = "full_decoder_46.pt"


@dataclass(frozen=True, slots=True)
class _Source:
    """A public repository at one commit."""

    repository: str
    commit: str
    licence: str

    def file(self, name: str, path: str, size: int, sha256: str) -> Weights:
        return Weights(
            name=name,
            sha256=sha256,
            size=size,
            source=f"https://github.com/{self.repository}",
            licence=self.licence,
            url=f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{path}",
        )


_BLAZEFACE = _Source("hollance/BlazeFace-PyTorch", "852bfd8e3d44ed6775761105bdcead4ef389a538", "Apache-2.0")
_ULTRALIGHT = _Source(
    "Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB", "dffdddda9794a50607cba8f318507a28c1c27cab", "MIT"
)
_MESONET = _Source("DariusAf/MesoNet", "2144d56a30e48cdcac1976ff13a1c5cdc86376c6", "Apache-2.0")
_CLASSNSEG = _Source("nii-yamagishilab/ClassNSeg", "87e506fddb9f36ef14f9bd1f6496f86d7faef0fd", "BSD-3-Clause")

FILES = (
    _BLAZEFACE.file(
        "blazeface.pth",
        "blazeface.pth",
        420_224,
        "54ecff653feaaaf1f7d44b6aff28fd2fc50e483a4e847563b6dd261369c43ba4",
    ),
    _BLAZEFACE.file(
        "anchors.npy",
        "anchors.npy",
        28_800,
        "a10bb2fb93ab54ca426d6c750bfc3aad685028a16dcf231357d03694f261fd95",
    ),
    _ULTRALIGHT.file(
        "version-RFB-320.onnx",
        "models/onnx/version-RFB-320.onnx",
        1_270_727,
        "34cd7e60aeff28744c657de7a3dc64e872d506741de66987f3426f2b79f88017",
    ),
    _MESONET.file(
        "Meso4_DF.h5",
        "weights/Meso4_DF.h5",
        156_128,
        "036ed30d04ffd9c7506f825b97c86aa64915f5818931da96817b169aad790af5",
    ),
    _MESONET.file(
        "MesoInception_DF.h5",
        "weights/MesoInception_DF.h5",
        197_504,
        "234586d40058e76ef8b6f27ca4b63c06e31c2a5a69c0d8ba6f30b1468ab7bafa",
    ),
    _MESONET.file(
        "Meso4_F2F.h5",
        "weights/Meso4_F2F.h5",
        156_128,
        "bcfda015d217b9f8d6557693edbdf9f4e79cfd22672541968dd0e2954462b5d7",
    ),
    _MESONET.file(
        "MesoInception_F2F.h5",
        "weights/MesoInception_F2F.h5",
        197_504,
        "d4533ac8a3197dc35c47405d23d99e888c1d0135e267e03540c7451feaccff3f",
    ),
    _CLASSNSEG.file(
        "full_encoder_46.pt",
        "checkpoints/full/encoder_46.pt",
        605_713,
        "ffb23169bf325217a9319a304992735b9da882027883ae0d09517a8ff2223dbf",
    ),
    _CLASSNSEG.file(
        "finetune_encoder_26.pt",
        "checkpoints/finetune/encoder_26.pt",
        605_713,
        "4929550da58045bda182f6e57c211fabfca1bfd189f85e8654914bd408b7dd89",
    ),
    _CLASSNSEG.file(
        "full_decoder_46.pt",
        "checkpoints/full/decoder_46.pt",
        643_518,
        "0c4e45cdc9e1edbad4f0cc72eed1f1a97f7308bf8ad0227b439d020ead15ca2d",
    ),
)
