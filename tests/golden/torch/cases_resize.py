import torch
from make_golden import Call, Case, floats
from torch.export import Dim
from torch.nn import functional as F

BATCH = Dim("batch", min=1, max=64)
SIDE = Dim("side", min=2, max=64)
X = floats(1, 2, 4, 5)
aten = torch.ops.aten


def up(**options):
    return Case(Call(lambda x: F.interpolate(x, **options)), (floats(2, 2, 4, 5),), (({0: BATCH},),), ((floats(1, 2, 4, 5),),), core=False)


CASES = {
    "nearest": up(scale_factor=2),
    "nearest_size": up(size=(7, 3)),
    "nearest_scale": up(scale_factor=(1.5, 0.5)),
    "nearest_exact": up(size=(7, 3), mode="nearest-exact"),
    "bilinear": up(scale_factor=2, mode="bilinear"),
    "bilinear_size": up(size=(7, 3), mode="bilinear"),
    "bilinear_corners": up(size=(7, 3), mode="bilinear", align_corners=True),
    "bilinear_scale": up(scale_factor=(1.5, 2.25), mode="bilinear"),
    "bilinear_recomputed": up(scale_factor=(1.6, 2.3), mode="bilinear", recompute_scale_factor=True),
    "bilinear_to_one": up(size=(1, 1), mode="bilinear"),
    "bicubic": up(size=(7, 9), mode="bicubic"),
    "bicubic_corners": up(size=(3, 9), mode="bicubic", align_corners=True),
    "linear_1d": Case(Call(lambda x: (F.interpolate(x, scale_factor=2, mode="linear"), F.interpolate(x, size=7), F.interpolate(x, size=7, mode="nearest-exact"))), (floats(1, 2, 5),), core=False),
    "volumes": Case(Call(lambda x: (F.interpolate(x, scale_factor=2, mode="trilinear"), F.interpolate(x, size=(3, 5, 4)), F.interpolate(x, size=(3, 5, 4), mode="nearest-exact"))), (floats(1, 1, 2, 3, 4),), core=False),
    "dynamic_sides": Case(Call(lambda x: (F.interpolate(x, scale_factor=2), F.interpolate(x, size=(8, x.shape[3]), mode="bilinear"))), (floats(2, 2, 4, 5),), (({0: BATCH, 2: SIDE, 3: SIDE + 1},),), ((floats(1, 2, 6, 7),),), core=False),
    "overloads_with_sizes": Case(Call(lambda x, y, z: (aten.upsample_nearest2d.default(x, [8, 10]), aten.upsample_bilinear2d.default(x, [6, 5], False), aten.upsample_bicubic2d.default(x, [6, 5], True), aten._upsample_nearest_exact2d.default(x, [6, 5]), aten.upsample_nearest1d.default(y, [9]), aten.upsample_linear1d.default(y, [9], False), aten.upsample_nearest3d.default(z, [3, 2, 5]), aten.upsample_trilinear3d.default(z, [3, 2, 5], True))), (X, floats(1, 2, 5), floats(1, 1, 2, 3, 4)), core=False),
    "grid_sample": Case(Call(lambda x, g: tuple(F.grid_sample(x, g, mode=m, padding_mode=p, align_corners=a) for m, p, a in (("bilinear", "zeros", False), ("bilinear", "border", True), ("nearest", "zeros", False), ("bicubic", "zeros", False), ("bilinear", "reflection", False)))), (X, floats(1, 3, 4, 2, scale=0.7))),
    "grid_sample_2d": Case(Call(lambda x, g: aten.grid_sampler_2d(x, g, 0, 0, False)), (X, floats(1, 3, 4, 2, scale=0.7)), core=False),
    "bilinear_scale_that_rounds_down": up(scale_factor=1.8, mode="bilinear"),
    "antialias": Case(Call(lambda x: (F.interpolate(x, size=(3, 2), mode="bilinear", antialias=True), F.interpolate(x, size=(3, 4), mode="bicubic", antialias=True), aten._upsample_bilinear2d_aa.default(x, [2, 3], False), aten._upsample_bicubic2d_aa.default(x, [3, 3], False))), (floats(1, 2, 6, 7),), core=False),
    "grid_sample_volume": Case(Call(lambda x, g: F.grid_sample(x, g, align_corners=False)), (floats(1, 2, 3, 4, 5), floats(1, 2, 3, 2, 3, scale=0.7)), core=False),
    "affine_grid": Case(Call(lambda t: (F.affine_grid(t, (2, 1, 3, 4), align_corners=False), F.affine_grid(t, (2, 1, 3, 4), align_corners=True))), (floats(2, 2, 3),), core=False),
    "pixel_shuffle": Case(Call(lambda x: (F.pixel_shuffle(x, 2), F.pixel_unshuffle(x, 2), F.channel_shuffle(x, 4))), (floats(2, 8, 4, 6),), core=False),
    "im2col": Case(Call(lambda x: (F.unfold(x, (2, 3), dilation=(1, 2), padding=(1, 0), stride=(2, 1)), F.unfold(x, 2, stride=2))), (X,), core=False),
    "col2im": Case(Call(lambda x, y: (F.fold(x, (4, 5), (2, 2), stride=(2, 1)), F.fold(y, (6, 7), (3, 3), padding=1, stride=(3, 2)))), (floats(1, 8, 8), floats(2, 18, 8)), core=False),
}
