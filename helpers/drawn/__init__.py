"""People who do not exist, what they wear, and the same hats and glasses drawn on real photos."""
