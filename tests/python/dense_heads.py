"""Reference values of the segmentation and detection heads, by PyTorch and torchvision in f64.

    python3 tests/python/dense_heads.py FILE SEED      writes seeded inputs and what follows from them

The golden file (tests/golden/dense_heads.safetensors) is the one of seed 0. torchvision is called where
it has the function; ViTDet's pyramid and UperNet are written out here from their papers, in the words of
Detectron2 (`SimpleFeaturePyramid`) and mmsegmentation (`UPerHead`, `PPM`). Nothing comes from the Rust code;
names of weights are the Rust side's, so that it can read them.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from torchvision.models.detection import FCOS
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import fastrcnn_loss, maskrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import batched_nms, generalized_box_iou_loss, roi_align, sigmoid_focal_loss
from torchvision.ops.poolers import LevelMapper

torch.set_default_dtype(torch.float64)
OUT = {}


def put(name, value):
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    value = np.asarray(value)
    OUT[name] = np.ascontiguousarray(value.astype(np.int64 if value.dtype.kind in "iub" else np.float64))


def put_with_gradient(name, inputs, outputs):
    """The outputs, and the gradient of their sum weighted by fixed numbers, so that no two cancel."""
    total = 0.0
    for key, value in outputs.items():
        put(f"{name}.{key}", value)
        total = total + (value * torch.cos(torch.arange(value.numel())).reshape(value.shape)).sum()
    for key, gradient in zip(inputs, torch.autograd.grad(total, list(inputs.values()))):
        put(f"{name}.grad.{key}", gradient)


def leaf(value):
    return value.clone().requires_grad_()


def boxes(rng, count, height, width, least=4.0):
    """Random boxes inside an image, of at least `least` pixels a side."""
    left = torch.from_numpy(rng.uniform(0, width - least, count))
    top = torch.from_numpy(rng.uniform(0, height - least, count))
    w = least + torch.from_numpy(rng.uniform(0, 1, count)) * (width - least - left)
    h = least + torch.from_numpy(rng.uniform(0, 1, count)) * (height - least - top)
    return torch.stack([left, top, left + w, top + h], 1)


def regions(rng):
    x = leaf(torch.from_numpy(rng.standard_normal((2, 3, 9, 11))))
    own = torch.cat([boxes(rng, 6, 36, 44), torch.tensor([[-9.0, -3.0, 12.0, 60.0], [0.0, 0.0, 44.0, 36.0]])])
    images = torch.tensor([0, 1, 1, 0, 0, 1, 1, 0])
    rois = torch.cat([images[:, None].double(), own], 1)
    put("roi.x", x)
    put("roi.boxes", own)
    put("roi.images", images)
    y = roi_align(x, rois, (5, 5), spatial_scale=0.25, sampling_ratio=2, aligned=True)
    put_with_gradient("roi", {"x": x}, {"y": y})
    sides = torch.from_numpy(rng.uniform(3, 900, 40))
    squares = torch.stack([torch.zeros(40), torch.zeros(40), sides, sides], 1)
    put("levels.boxes", squares)
    put("levels.level", LevelMapper(2, 5)([squares]))


def anchors():
    levels, strides = [(3, 5), (2, 3)], [8, 16]
    all_anchors = []
    for (height, width), stride, size in zip(levels, strides, (32, 64)):
        generator = AnchorGenerator(sizes=((size,),), aspect_ratios=((0.25, 1.0, 4.0),))
        images = ImageList(torch.zeros(1, 3, height * stride, width * stride), [(height * stride, width * stride)])
        own = generator(images, [torch.zeros(1, 1, height, width)])[0]
        # torchvision centres them on a pixel's corner.
        all_anchors.append(own.double() + stride / 2)
    put("anchors.boxes", torch.cat(all_anchors))


def coder(rng):
    reference, truth = boxes(rng, 9, 60, 80), boxes(rng, 9, 60, 80)
    codes = torch.from_numpy(rng.standard_normal((9, 4))) * torch.tensor([5.0, 5.0, 12.0, 12.0])
    put("coder.reference", reference)
    put("coder.truth", truth)
    put("coder.codes", codes)
    for name, weights in [("proposals", (1.0, 1.0, 1.0, 1.0)), ("boxes", (10.0, 10.0, 5.0, 5.0))]:
        box_coder = BoxCoder(weights)
        put(f"coder.{name}.encoded", box_coder.encode_single(truth, reference))
        put(f"coder.{name}.decoded", box_coder.decode_single(codes, reference))


def matching(rng):
    anchors_, objects = boxes(rng, 60, 50, 50), boxes(rng, 5, 50, 50, least=12.0)
    from torchvision.ops import box_iou

    put("match.boxes", anchors_)
    put("match.objects", objects)
    put("match.low", Matcher(0.7, 0.3, allow_low_quality_matches=True)(box_iou(objects, anchors_)))
    put("match.plain", Matcher(0.5, 0.5)(box_iou(objects, anchors_)))
    scores = torch.from_numpy(np.round(rng.uniform(0, 1, 60), 1))
    # Ties are resolved by position in torch's stable sort only; make them differ by it.
    scores = scores - torch.arange(60) * 1e-6
    groups = torch.from_numpy(rng.integers(0, 3, 60))
    put("nms.scores", scores)
    put("nms.groups", groups)
    put("nms.kept", batched_nms(anchors_, scores, groups, 0.4))


def losses(rng):
    logits = leaf(torch.from_numpy(rng.standard_normal((4, 7)) * 3))
    targets = torch.from_numpy(rng.integers(0, 2, (4, 7))).double()
    soft = torch.from_numpy(rng.uniform(0, 1, (4, 7)))
    put("loss.logits", logits)
    put("loss.targets", targets)
    put("loss.soft", soft)
    put_with_gradient("loss.focal", {"x": logits}, {"y": sigmoid_focal_loss(logits, targets)})
    put_with_gradient("loss.bce", {"x": logits},
                      {"y": F.binary_cross_entropy_with_logits(logits, soft, reduction="none")})
    put_with_gradient("loss.smooth", {"x": logits}, {"y": F.smooth_l1_loss(logits, soft, beta=1 / 9, reduction="none")})
    a, b = leaf(boxes(rng, 12, 40, 40)), boxes(rng, 12, 40, 40)
    put("loss.boxes", a)
    put("loss.truths", b)
    put_with_gradient("loss.giou", {"x": a}, {"y": generalized_box_iou_loss(a, b)})


def objects_of(rng, count, classes, height, width):
    return {"boxes": boxes(rng, count, height, width), "labels": torch.from_numpy(rng.integers(0, classes, count))}


class Nothing(torch.nn.Module):
    out_channels = 32

    def forward(self, x):
        return x


def fcos(rng):
    classes, strides, sizes = 3, [4, 8, 16], [(8, 12), (4, 6), (2, 3)]
    generator = AnchorGenerator(sizes=((4,), (8,), (16,)), aspect_ratios=((1.0,),) * 3)
    model = FCOS(Nothing(), classes, anchor_generator=generator, score_thresh=0.3, nms_thresh=0.5,
                 detections_per_img=20)
    own = []
    for (height, width), stride in zip(sizes, strides):
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        x, y = x.flatten() * stride, y.flatten() * stride
        own.append(torch.stack([x, y, x + stride, y + stride], 1).double())
    counts = [len(level) for level in own]
    anchors_ = torch.cat(own)
    n = len(anchors_)
    targets = [objects_of(rng, 4, classes, 32, 48), objects_of(rng, 0, classes, 32, 48),
               objects_of(rng, 2, classes, 32, 48)]
    outputs = {
        "cls_logits": leaf(torch.from_numpy(rng.standard_normal((3, n, classes)))),
        "bbox_regression": leaf(torch.from_numpy(rng.uniform(0.2, 4, (3, n, 4)))),
        "bbox_ctrness": leaf(torch.from_numpy(rng.standard_normal((3, n, 1)))),
    }
    for name, value in outputs.items():
        put(f"fcos.{name}", value)
    for i, target in enumerate(targets):
        put(f"fcos.boxes.{i}", target["boxes"])
        put(f"fcos.labels.{i}", target["labels"])
    found = model.compute_loss(targets, outputs, [anchors_] * 3, counts)
    put_with_gradient("fcos.loss", outputs, {k: v.reshape(1) for k, v in found.items()})
    split = {k: list(v.detach().split(counts, 1)) for k, v in outputs.items()}
    split_anchors = [list(anchors_.split(counts))] * 3
    for i, found in enumerate(model.postprocess_detections(split, split_anchors, [(32, 48)] * 3)):
        for key, value in found.items():
            put(f"fcos.found.{i}.{key}", value)


def rpn(rng):
    """All anchors are sampled, so that nothing depends on a generator."""
    height, width, strides, sizes = 48, 64, [8, 16], [(6, 8), (3, 4)]
    ratios, scale = (0.25, 1.0, 4.0), 2
    own = []
    for (rows, columns), stride in zip(sizes, strides):
        generator = AnchorGenerator(sizes=((scale * stride,),), aspect_ratios=(ratios,))
        images = ImageList(torch.zeros(1, 3, rows * stride, columns * stride), [(rows * stride, columns * stride)])
        own.append(generator(images, [torch.zeros(1, 1, rows, columns)])[0].double() + stride / 2)
    counts = [len(level) for level in own]
    anchors_ = torch.cat(own)
    n = len(anchors_)
    top = {"training": 30, "testing": 30}
    network = RegionProposalNetwork(generator, RPNHead(4, 3), 0.7, 0.3, 100000, 0.5, top,
                                    {"training": 12, "testing": 12}, 0.6)
    network.min_size = 1e-3
    targets = [objects_of(rng, 3, 2, height, width), objects_of(rng, 1, 2, height, width)]
    objectness = leaf(torch.from_numpy(rng.standard_normal((2, n))))
    deltas = leaf(torch.from_numpy(rng.standard_normal((2, n, 4)) * 0.3))
    put("rpn.objectness", objectness)
    put("rpn.deltas", deltas)
    for i, target in enumerate(targets):
        put(f"rpn.boxes.{i}", target["boxes"])
    labels, matched = network.assign_targets_to_anchors([anchors_] * 2, targets)
    codes = network.box_coder.encode([m.double() for m in matched], [anchors_] * 2)
    # torchvision's labels are f32, and so would be the loss.
    labels = [l.double() for l in labels]
    first, second = network.compute_loss(objectness.reshape(-1, 1), deltas.reshape(-1, 4), labels, list(codes))
    put_with_gradient("rpn.loss", {"objectness": objectness, "deltas": deltas},
                      {"objectness": first.reshape(1), "boxes": second.reshape(1)})
    decoded = network.box_coder.decode(deltas.detach().reshape(-1, 4), [anchors_] * 2).view(2, -1, 4)
    kept, _ = network.filter_proposals(decoded, objectness.reshape(-1, 1), [(height, width)] * 2, counts)
    for i, value in enumerate(kept):
        put(f"rpn.proposals.{i}", value)


def box_head(rng):
    classes, count = 3, 11
    proposals, truths = boxes(rng, count, 50, 50), boxes(rng, count, 50, 50)
    labels = torch.from_numpy(rng.integers(0, classes + 1, count))
    logits = leaf(torch.from_numpy(rng.standard_normal((count, classes + 1))))
    deltas = leaf(torch.from_numpy(rng.standard_normal((count, classes, 4)) * 0.3))
    # torchvision also has deltas of the background, which nothing reads.
    padded = torch.cat([torch.zeros(count, 1, 4), deltas], 1).reshape(count, -1)
    codes = BoxCoder((10.0, 10.0, 5.0, 5.0)).encode_single(truths, proposals)
    first, second = fastrcnn_loss(logits, padded, [labels], [codes])
    for name, value in [("proposals", proposals), ("truths", truths), ("labels", labels), ("logits", logits),
                        ("deltas", deltas)]:
        put(f"box.{name}", value)
    put_with_gradient("box.loss", {"logits": logits, "deltas": deltas},
                      {"classes": first.reshape(1), "boxes": second.reshape(1)})


def masks(rng):
    height, width, size, classes, count = 26, 30, 10, 3, 4
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    own = boxes(rng, count, height, width, least=9.0)
    discs = []
    for left, top, right, bottom in own.tolist():
        across, down = (right - left) / 2, (bottom - top) / 2
        discs.append((((x + 0.5 - left - across) / across) ** 2 + ((y + 0.5 - top - down) / down) ** 2 < 1).double())
    discs = torch.stack(discs)
    regions_ = own + torch.from_numpy(rng.uniform(-2, 2, (count, 4)))
    put("mask.pixels", discs)
    put("mask.regions", regions_)
    rois = torch.cat([torch.arange(count)[:, None].double(), regions_], 1)
    targets = (roi_align(discs[:, None], rois, (size, size), 1.0, -1, aligned=True)[:, 0] >= 0.5).double()
    put("mask.targets", targets)
    labels = torch.from_numpy(rng.integers(0, classes, count))
    logits = leaf(torch.from_numpy(rng.standard_normal((count, classes, size, size))))
    put("mask.labels", labels)
    put("mask.logits", logits)
    loss = F.binary_cross_entropy_with_logits(logits[torch.arange(count), labels], targets)
    # torchvision's own loss on a case where its legacy alignment doesn't matter: masks that are all of the region.
    full = torch.ones(count, height, width)
    inside = own.clone()
    whole = maskrcnn_loss(logits, [inside], [full], [labels], [torch.arange(count)])
    put("mask.whole", whole.reshape(1))
    put_with_gradient("mask.loss", {"logits": logits}, {"y": loss.reshape(1)})
    # Pasted as Detectron2's `_do_paste_mask`.
    probabilities = torch.from_numpy(rng.uniform(0, 1, (count, 1, size, size)))
    probabilities = F.avg_pool2d(F.pad(probabilities, (2, 2, 2, 2), mode="replicate"), 5, 1)
    put("mask.probabilities", probabilities)
    pasted = []
    for mask, (left, top, right, bottom) in zip(probabilities, regions_.tolist()):
        u = (torch.arange(width) + 0.5 - left) / (right - left) * 2 - 1
        v = (torch.arange(height) + 0.5 - top) / (bottom - top) * 2 - 1
        grid = torch.stack([u[None].expand(height, width), v[:, None].expand(height, width)], 2)[None]
        pasted.append(F.grid_sample(mask[None], grid, align_corners=False)[0, 0])
    pasted = torch.stack(pasted)
    put("mask.pasted", pasted >= 0.5)
    # Nearer to the threshold than f32 can tell.
    put("mask.doubtful", torch.nonzero(((pasted - 0.5).abs() < 1e-6).flatten()).flatten())


class Weights:
    """Random weights, made when they are asked for."""

    def __init__(self, rng, name):
        self.rng, self.name, self.made = rng, name, {}

    def __call__(self, key, *shape, scale=None):
        scale = scale or 1 / np.sqrt(max(1, np.prod(shape[1:])))
        value = leaf(torch.from_numpy(self.rng.standard_normal(shape) * scale))
        if key.endswith("norm.weight"):
            value = leaf(value.detach() + 1)
        self.made[key] = value
        put(f"{self.name}.w.{key}", value)
        return value


def channel_norm(w, key, x):
    c = x.shape[1]
    y = F.layer_norm(x.permute(0, 2, 3, 1), (c,), w(f"{key}.weight", c, scale=0.2), w(f"{key}.bias", c, scale=0.2), 1e-6)
    return y.permute(0, 3, 1, 2)


def group_norm(w, key, x, groups):
    c = x.shape[1]
    return F.group_norm(x, groups, w(f"{key}.weight", c, scale=0.2), w(f"{key}.bias", c, scale=0.2), 1e-5)


def up(w, key, x, output):
    return F.conv_transpose2d(x, w(f"{key}.weight", x.shape[1], output, 2, 2), w(f"{key}.bias", output, scale=0.2),
                              stride=2)


def conv(w, key, x, output, kernel):
    return F.conv2d(x, w(f"{key}.weight", output, x.shape[1], kernel, kernel), padding=kernel // 2)


def simple_pyramid(rng):
    """ViTDet, section 3 and Detectron2's `SimpleFeaturePyramid`."""
    dim, width = 8, 6
    x = leaf(torch.from_numpy(rng.standard_normal((2, dim, 4, 6))))
    w = Weights(rng, "simple")
    put("simple.x", x)
    out = {}
    for level, scale in enumerate([4, 2, 1, 0.5]):
        key = f"pyramid.{level}"
        y = x
        if scale == 4:
            y = up(w, f"{key}.up1", y, dim // 2)
            y = F.gelu(channel_norm(w, f"{key}.norm", y))
            y = up(w, f"{key}.up2", y, dim // 4)
        elif scale == 2:
            y = up(w, f"{key}.up", y, dim // 2)
        elif scale == 0.5:
            y = F.max_pool2d(y, 2, 2)
        y = channel_norm(w, f"{key}.reduce.norm", conv(w, f"{key}.reduce.conv", y, width, 1))
        out[f"y{level}"] = channel_norm(w, f"{key}.smooth.norm", conv(w, f"{key}.smooth.conv", y, width, 3))
    put_with_gradient("simple", {"x": x, **w.made}, out)


def block(w, key, x, output, kernel, groups):
    return F.relu(group_norm(w, f"{key}.norm", conv(w, f"{key}.conv", x, output, kernel), groups))


def uper_net(rng):
    """BEiT's pyramid of four blocks, then mmsegmentation's `UPerHead` with group norm."""
    dim, width, classes, groups = 6, 4, 3, (1, 1)
    grids = [leaf(torch.from_numpy(rng.standard_normal((2, dim, 4, 6)))) for _ in range(4)]
    w = Weights(rng, "uper")
    for i, grid in enumerate(grids):
        put(f"uper.x{i}", grid)
    first = F.gelu(group_norm(w, "pyramid.0.norm", up(w, "pyramid.0.up1", grids[0], dim), groups[0]))
    levels = [up(w, "pyramid.0.up2", first, dim), up(w, "pyramid.1.up", grids[1], dim), grids[2],
              F.max_pool2d(grids[3], 2, 2)]
    last = levels[-1]
    maps = [last]
    for i, part in enumerate([1, 2, 3, 6]):
        pooled = block(w, f"decode.ppm.{i}", F.adaptive_avg_pool2d(last, part), width, 1, groups[1])
        maps.append(F.interpolate(pooled, size=last.shape[2:], mode="bilinear", align_corners=False))
    merged = [block(w, f"decode.lateral.{i}", levels[i], width, 1, groups[1]) for i in range(3)]
    merged.append(block(w, "decode.ppm.bottleneck", torch.cat(maps, 1), width, 3, groups[1]))
    for i in (3, 2, 1):
        enlarged = F.interpolate(merged[i], size=merged[i - 1].shape[2:], mode="bilinear", align_corners=False)
        merged[i - 1] = merged[i - 1] + enlarged
    out = [block(w, f"decode.smooth.{i}", merged[i], width, 3, groups[1]) for i in range(3)] + [merged[3]]
    out = [F.interpolate(o, size=out[0].shape[2:], mode="bilinear", align_corners=False) for o in out]
    fused = block(w, "decode.fuse", torch.cat(out, 1), width, 3, groups[1])
    logits = F.conv2d(fused, w("decode.classify.weight", classes, width, 1, 1), w("decode.classify.bias", classes))
    put_with_gradient("uper", {**{f"x{i}": g for i, g in enumerate(grids)}, **w.made}, {"logits": logits})


def group_norms(rng):
    x = leaf(torch.from_numpy(rng.standard_normal((2, 6, 3, 4))))
    w = Weights(rng, "groups")
    put("groups.x", x)
    y = group_norm(w, "norm", x, 3)
    put_with_gradient("groups", {"x": x, **w.made}, {"y": y})


def segmentation(rng):
    logits = leaf(torch.from_numpy(rng.standard_normal((2, 4, 5, 7))))
    labels = torch.from_numpy(rng.integers(0, 4, (2, 13, 18)))
    labels[torch.from_numpy(rng.uniform(0, 1, labels.shape)) < 0.3] = 255
    put("segment.logits", logits)
    put("segment.labels", labels)
    enlarged = F.interpolate(logits, size=labels.shape[1:], mode="bilinear", align_corners=False)
    put_with_gradient("segment.loss", {"logits": logits},
                      {"y": F.cross_entropy(enlarged, labels, ignore_index=255).reshape(1)})


def sliding(rng):
    """mmsegmentation's `slide_inference`, with its test-time augmentation by scales and mirror images."""
    image = torch.from_numpy(rng.standard_normal((1, 2, 14, 23)))
    weight = torch.from_numpy(rng.standard_normal((3, 2, 3, 3)))
    put("slide.image", image)
    put("slide.weight", weight)
    crop, stride = 10, 7

    def slide(x):
        h, w = x.shape[2:]
        # Smaller images are padded with the mean.
        x = F.pad(x, (0, max(0, crop - w), 0, max(0, crop - h)))
        full_h, full_w = x.shape[2:]
        rows = max(full_h - crop + stride - 1, 0) // stride + 1
        columns = max(full_w - crop + stride - 1, 0) // stride + 1
        total, count = torch.zeros(1, 3, full_h, full_w), torch.zeros(1, 1, full_h, full_w)
        for row in range(rows):
            for column in range(columns):
                bottom, right = min(row * stride + crop, full_h), min(column * stride + crop, full_w)
                top, left = max(bottom - crop, 0), max(right - crop, 0)
                window = x[:, :, top:bottom, left:right]
                # A model whose output is half as high and wide.
                y = F.conv2d(window, weight, padding=1)[:, :, ::2, ::2]
                y = F.interpolate(y, size=window.shape[2:], mode="bilinear", align_corners=False)
                total[:, :, top:bottom, left:right] += y
                count[:, :, top:bottom, left:right] += 1
        return (total / count)[:, :, :h, :w]

    probabilities = []
    for scale in (0.5, 1.0, 1.75):
        factor = scale * min(crop / 14, 4 * crop / 23)
        size = (round(14 * factor), round(23 * factor))
        resized = F.interpolate(image, size=size, mode="bilinear", align_corners=False)
        for mirrored in (False, True):
            y = slide(resized.flip(3) if mirrored else resized)
            y = F.interpolate(y, size=image.shape[2:], mode="bilinear", align_corners=False)
            probabilities.append((y.flip(3) if mirrored else y).softmax(1))
    put("slide.probabilities", torch.stack(probabilities).mean(0))


def main():
    path, seed = sys.argv[1], int(sys.argv[2])
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    anchors()
    for case in (regions, coder, matching, losses, fcos, rpn, box_head, masks, simple_pyramid, uper_net, segmentation,
                 sliding, group_norms):
        case(rng)
    save_file(OUT, path)
    print("{}")


if __name__ == "__main__":
    main()
