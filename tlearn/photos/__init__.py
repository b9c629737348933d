"""From the bytes of a file to batches of pixels.

```
pillow_decoding   which decoder a file needs, and what only Pillow can read
orientation       which way up, read in the graph
resizing          to a square: crop, pad or stretch
decoding          the one decoder, of these three: training, prediction and SavedModel use it
photo_bytes       a file as bytes that a SavedModel can decode
augmentation      changes for training only; mixing: mixup and cutmix
pipeline          a table of examples becomes batches
```
"""

__all__: list[str] = []
