"""A stand-in for NudeNet: unsafe as often as the file of STAND_IN says, which counts down; "break" makes it fail."""

import os
from pathlib import Path


class NudeDetector:
    def detect(self, image):
        assert isinstance(image, bytes)
        file = Path(os.environ["STAND_IN"])
        if file.read_text() == "break":
            raise RuntimeError("the detector is broken")
        left = int(file.read_text())
        file.write_text(str(max(0, left - 1)))
        found = [{"class": "FACE_FEMALE", "score": 0.9}, {"class": "ANUS_EXPOSED", "score": 0.3}]
        return found + [{"class": "BUTTOCKS_EXPOSED", "score": 0.81}] * (left > 0)
