"""Settings of published experiments, by name. Each number says where it stands; keys that an experiment writes itself win."""

from typing import Any

from fairshrink.errors import suggest

# Wu, Zeng, Xu, Shi and Hu 2022 (FairPrune), its experiments: ratio, step, beta; for the scores, batches of one group each:
# Fitzpatrick-17k: 500 pairs of mini-batches of 2 images: 1,000 images of each group an iteration.
# ISIC 2019: 200 pairs of 64: 12,800 of each group, or all where there are fewer.
# OBD is the paper's baseline at the same ratios, scored on all training data in one shot (LeCun et al. 1989); the mean over
# samples does not depend on the batch, so that of FairPrune serves.
# Guo, Jia, Hu and Shi 2024 (FairQuantize): ratio and beta as in Table 1 (Fitzpatrick-17k, VGG-11) and Table 2 (ISIC 2019,
# ResNet-18), steps of 5 % as in its ablation. The paper names nothing of the re-training: 20 epochs of plain SGD at 1e-3,
# StepLR(4, 0.57), no decay, are the defaults of the published code. How many images are scored is not said: "all".
_GUO = {
    "method": "fairquantize",
    "step": 0.05,
    "epochs": 20,
    "lr": 1e-3,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "lr_epochs": 4,
    "lr_factor": 0.57,
    "samples": "all",
}
# Kong, Chiu, Zeng, Chen, Ho, Hu and Shi 2024 (SCP), Tables 1 and 2: 2 % of the last layer's channels, n = 3 iterations. What
# the paper leaves open is the published code's: SGD at 1e-2 with Nesterov's momentum 0.9 and a decay of 1e-5, 200 epochs an
# iteration, cosine distance at temperature 1 (2 on maps of length 1) among 128 images, before the activation. The rate falls to a
# tenth at epoch 100, as in the multi-exit code: "all the training settings were the same". The thresholds are not published; how
# often they let it go on is, and the third model is the table's.
_SCP = {
    "method": "scp",
    "channel_ratio": 0.02,
    "iterations": 3,
    "fine_tune": 200,
    "layer": "last",
    "tap": "before",
    "temperature": 2.0,
    "normalize": True,
    "compared": 128,
    "stop": "none",
    "take": "last",
    "lr": 1e-2,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 1e-5,
    "lr_epochs": 100,
    "lr_factor": 0.1,
    "samples": "all",
    "batch": 128,
}
PRESETS: dict[str, dict[str, Any]] = {
    "fairprune-fitzpatrick17k": {
        "method": "fairprune",
        "ratio": 0.35,
        "step": 0.05,
        "beta": 0.33,
        "samples": 500 * 2,
        "batch": 2,
    },
    "fairprune-isic2019": {
        "method": "fairprune",
        "ratio": 0.5,
        "step": 0.1,
        "beta": 0.2,
        "samples": 200 * 64,
        "batch": 64,
    },
    "obd-fitzpatrick17k": {"method": "obd", "ratio": 0.35, "samples": "all", "batch": 2},
    "obd-isic2019": {"method": "obd", "ratio": 0.5, "samples": "all", "batch": 64},
    "fairquantize-fitzpatrick17k": _GUO | {"ratio": 0.2, "beta": 1.0},
    "fairquantize-isic2019": _GUO | {"ratio": 0.8, "beta": 7 / 9},
    "scp-fitzpatrick17k": _SCP,
    "scp-isic2019": _SCP,
}


def filled(step: dict[str, Any]) -> dict[str, Any]:
    """A [[shrink]] table with what its preset says; without one, as it is.

    Raises:
        ValueError: There is no such preset, or it is another method's.
    """
    name = step.get("preset")
    if name is None:
        return step
    if not isinstance(name, str) or name not in PRESETS:
        raise ValueError(f"there is no preset called {name!r}.{suggest(str(name), PRESETS)}")
    preset = PRESETS[name]
    method = step.get("method", preset["method"])
    if method != preset["method"]:
        raise ValueError(
            f"the preset '{name}' is for the method '{preset['method']}', but method is {method!r}. Leave one of them out."
        )
    return preset | step
