"""Every error that tlearn raises on purpose.

```
TlearnError
├── DatasetError        the data set cannot be used as it is           (also a ValueError)
├── DecodeError         one file is not a photo that can be read       (also a ValueError)
├── BackboneError       no such backbone, or it cannot be built        (also a ValueError)
│   └── WeightsUnavailable   its pretrained weights cannot be had here
├── RecipeError         no such recipe, or arguments it does not take  (also a ValueError)
├── DeviceError         the devices or workers asked for cannot train  (also a ValueError)
│   └── WorkerLost      another worker of this run has ended: start all again
├── TrainingError       training never reached a finite loss
├── TuningError         a search of settings cannot be begun, or not go on
├── PartsError          a folder of answers in parts is of another prediction, or in use
├── RunError            a run folder is missing, unfinished or damaged
├── RequirementError    what a run is required to reach cannot be asked for (also a ValueError)
├── ExportError         the exported model does not answer as the trained one did
│   └── AccuracyDropError    it recognises fewer test photos than is allowed
├── ServingError        a run cannot be served as asked
├── CacheError          features cannot be kept, or not be read back
├── SizeError           what should be a size of memory or files is none  (also a ValueError)
├── DurationError       what should be a duration is none              (also a ValueError)
└── MissingExtra        an optional package is needed                  (also an ImportError)
```

A message says what happened, what was expected, and how to mend it, and ends with
`Received: name=value` where a value was at fault.
"""

__all__ = [
    "AccuracyDropError",
    "BackboneError",
    "CacheError",
    "DatasetError",
    "DecodeError",
    "DeviceError",
    "DurationError",
    "ExportError",
    "MissingExtra",
    "PartsError",
    "RecipeError",
    "RequirementError",
    "RunError",
    "ServingError",
    "SizeError",
    "TlearnError",
    "TrainingError",
    "TuningError",
    "WeightsUnavailable",
    "WorkerLost",
]


class TlearnError(Exception):
    """The base of every error that tlearn raises on purpose."""


class DatasetError(TlearnError, ValueError):
    """The data set cannot be used as it is."""


class DecodeError(TlearnError, ValueError):
    """One file is not a photo that can be read."""


class BackboneError(TlearnError, ValueError):
    """There is no such backbone, or it cannot be built as asked."""


class WeightsUnavailable(BackboneError):
    """The pretrained weights that were asked for cannot be had on this machine."""


class RecipeError(TlearnError, ValueError):
    """There is no such recipe, or it does not take these arguments."""


class DeviceError(TlearnError, ValueError):
    """The devices or workers that were asked for are not there, or cannot train together."""


class WorkerLost(DeviceError):
    """Another worker has ended, and none can go on without it. Started again, all go on."""


class TrainingError(TlearnError):
    """Training never reached a finite loss on the validation split."""


class TuningError(TlearnError):
    """A search of settings cannot be begun, or its folder holds another one or is in use."""


class PartsError(TlearnError):
    """A folder of answers in parts belongs to another prediction, is in use, or is not finished."""


class RunError(TlearnError):
    """A run folder is missing, unfinished or damaged, or cannot be written."""


class RequirementError(TlearnError, ValueError):
    """What a run is required to reach, such as `accuracy>=0.9`, cannot be asked for."""


class ExportError(TlearnError):
    """The exported model does not answer as the trained one did."""


class AccuracyDropError(ExportError):
    """An exported file recognises fewer test photos than is allowed."""


class ServingError(TlearnError):
    """A run cannot be served as asked: the port is taken, or anyone could use it."""


class CacheError(TlearnError):
    """Features cannot be kept, or not be read back. What was computed is not lost by it."""


class SizeError(TlearnError, ValueError):
    """What should be a size of memory or files, such as `20GB`, is none."""


class DurationError(TlearnError, ValueError):
    """What should be a duration, such as `10m`, is none."""


class MissingExtra(TlearnError, ImportError):
    """An optional package is needed for this.

    Args:
        package: The name of the missing package.
        extra: The extra of tlearn that installs it.
        purpose: What it is needed for.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'tlearn[{extra}]'"
        )
