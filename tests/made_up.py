"""A tiny dataset in CelebA's own format, for tests."""

import numpy as np
from PIL import Image

COLUMNS = ["Eyeglasses", "Male", "Smiling", "Wearing_Hat", "Young"]


def write_celeba(folder, count=40, seed=0):
    """Write `count` aligned photos of noise with attributes; every second wears glasses."""
    rng = np.random.default_rng(seed)
    photos = folder / "img_align_celeba"
    photos.mkdir(parents=True)
    lines = [str(count), " ".join(COLUMNS) + " "]
    for i in range(count):
        name = f"{i + 1:06d}.jpg"
        low = rng.integers(0, 255, (22, 18, 3), np.uint8)
        Image.fromarray(low).resize((178, 218)).save(photos / name)
        values = [1 if i % 2 else -1, *rng.choice([-1, 1], len(COLUMNS) - 1)]
        lines.append(name + " " + " ".join(f"{v:2d}" for v in values))
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    return folder
