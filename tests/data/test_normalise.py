import numpy as np
import torch

from fairshrink.data.normalise import IMAGENET, Normalisation, network_inputs, normalise_

OWN = Normalisation((0.1, 0.2, 0.3), (1.0, 0.5, 0.25))


def test_each_colour_has_its_own_mean_and_deviation():
    x = torch.full((1, 3, 2, 2), 255.0)
    assert torch.allclose(normalise_(x, OWN)[0, :, 0, 0], torch.tensor([0.9, 1.6, 2.8]))


def test_pixels_become_inputs_in_the_order_of_a_network():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), dtype=np.uint8)
    for how in (IMAGENET, OWN):
        expected = (pixels / 255 - np.array(how.mean)) / np.array(how.std)
        found = network_inputs(pixels, how)
        assert (found.shape, found.dtype) == ((4, 3, 6, 6), torch.float32)
        assert np.abs(found.numpy() - expected.transpose(0, 3, 1, 2)).max() < 1e-5
