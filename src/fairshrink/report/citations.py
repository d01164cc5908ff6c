"""What is known of methods, networks and published data sets without asking: what to cite, and the licence of the data."""

from collections.abc import Iterable
from typing import NamedTuple

_FAIRQUANTIZE = (
    "Guo, Jia, Hu, Shi: FairQuantize: achieving fairness through weight quantization for dermatological disease diagnosis. "
    "MICCAI 2024."
)
_FAIRPRUNE = (
    "Wu, Zeng, Xu, Shi, Hu: FairPrune: achieving fairness through pruning for dermatological disease diagnosis. "
    "MICCAI 2022."
)
_SCP = (
    "Kong, Chiu, Zeng, Chen, Ho, Hu, Shi: Achieving fairness through channel pruning for dermatological disease diagnosis. "
    "MICCAI 2024."
)
_SNNL = (
    "Frosst, Papernot, Hinton: Analyzing and improving representations with the soft nearest neighbor loss. ICML 2019."
)
_MULTI_EXIT = (
    "Chiu, Chung, Chen, Shi, Ho: Toward fairness through fair multi-exit framework for dermatological disease diagnosis. "
    "MICCAI 2023."
)
_INQ = "Zhou, Yao, Guo, Xu, Chen: Incremental network quantization: towards lossless CNNs with low-precision weights. ICLR 2017."


class Source(NamedTuple):
    """A published data set.

    Attributes:
        licence: Of its images.
        cite: The papers that describe it.
    """

    licence: str
    cite: tuple[str, ...]


_HAM = (
    "Tschandl, Rosendahl, Kittler: The HAM10000 dataset, a large collection of multi-source dermatoscopic images of common "
    "pigmented skin lesions. Scientific Data 5, 180161, 2018."
)
SOURCES = {
    "ham10000": Source("CC BY-NC 4.0", (_HAM,)),
    "isic2019": Source(
        "CC BY-NC 4.0",
        (
            _HAM,
            "Codella et al.: Skin lesion analysis toward melanoma detection: a challenge at the 2017 ISBI, hosted by the ISIC. "
            "ISBI 2018.",
            "Combalia et al.: BCN20000: dermoscopic lesions in the wild. arXiv:1908.02288, 2019.",
        ),
    ),
    "fitzpatrick17k": Source(
        "CC BY-NC-SA 3.0 (of the annotations; the images stay their owners')",
        (
            "Groh et al.: Evaluating deep neural networks trained on clinical images in dermatology with the Fitzpatrick 17k "
            "dataset. CVPR Workshops 2021.",
        ),
    ),
}
LESIONS = "none is needed: the images were drawn by fairshrink and show nobody"

MULTI_EXIT = "multi_exit"  # what models with exits are, whatever was done to them
METHODS = {
    "obd": ("LeCun, Denker, Solla: Optimal brain damage. NeurIPS 1989.",),
    "fairprune": (_FAIRPRUNE,),
    "fairprune_channels": (_FAIRPRUNE,),
    "scp": (_SCP, _SNNL),
    "fairquantize": (_FAIRQUANTIZE, _INQ),
    "retrain": (),
    "hsic": (
        "Quadrianto, Sharmanska, Thomas: Discovering fair representations in the data domain. CVPR 2019.",
        "Song, Smola, Gretton, Bedo, Borgwardt: Feature selection via dependence maximization. JMLR 13, 2012.",
    ),
    "mfd": (
        "Jung, Lee, Park, Moon: Fair feature distillation for visual recognition. CVPR 2021.",
        "Gretton, Borgwardt, Rasch, Schölkopf, Smola: A kernel two-sample test. JMLR 13, 2012.",
    ),
    MULTI_EXIT: (_MULTI_EXIT,),
}
BACKBONES = {
    "resnet": "He, Zhang, Ren, Sun: Deep residual learning for image recognition. CVPR 2016.",
    "vgg": "Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition. ICLR 2015.",
}
AUGMENTS = {
    "autoaugment": "Cubuk, Zoph, Mane, Vasudevan, Le: AutoAugment: learning augmentation policies from data. CVPR 2019."
}
MEASURES = (
    "Hardt, Price, Srebro: Equality of opportunity in supervised learning. NeurIPS 2016 (EOpp, EOdd).",
    "Xu et al.: FairAdaBN: mitigating unfairness with adaptive batch normalization and its application to dermatological "
    "disease classification. MICCAI 2023 (FATE).",
    "Holm: A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6, 1979.",
    "Mitchell et al.: Model cards for model reporting. FAT* 2019 (the form of this card).",
)


def cited(methods: Iterable[str], backbone: str, source: str, augment: Iterable[str]) -> list[str]:
    """The papers behind a run, each once; what is not known here is left out.

    Args:
        methods: Of its models.
        backbone: Their network.
        source: Its data set.
        augment: How images were changed in training.
    """
    data = SOURCES[source].cite if source in SOURCES else ()
    network = [paper for name, paper in BACKBONES.items() if backbone.removeprefix("timm:").startswith(name)]
    used = [paper for name in methods for paper in METHODS.get(name, ())]
    changed = [AUGMENTS[name] for name in augment if name in AUGMENTS]
    return list(dict.fromkeys([*data, *used, *network, *changed, *MEASURES]))
