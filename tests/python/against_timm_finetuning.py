"""Fine-tuning in PyTorch, on timm's VisionTransformer with timm's layer decay, and LARS as MAE has it.

    python3 against_timm_finetuning.py TUNING.safetensors

The file holds weights, batches, targets and learning rates that the Rust side recorded.
"""

import sys
import json

import numpy as np
import torch
from safetensors.torch import load_file
from timm.data.mixup import mixup_target
from timm.loss import SoftTargetCrossEntropy
from timm.models.vision_transformer import VisionTransformer
from timm.optim import param_groups_layer_decay

torch.set_default_dtype(torch.float64)
CLASSES = 5


def soft_targets(rows):
    """Each row is (class, other, share); timm's mixup_target pairs a label with that of the flipped batch."""
    out = []
    for first, other, share in rows:
        pair = torch.tensor([int(first), int(other)])
        out.append(mixup_target(pair, CLASSES, float(share), 0.1)[0].double())
    return torch.stack(out)


def encoder(weights):
    dim = weights["norm.weight"].shape[0]
    depth = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    model = VisionTransformer(img_size=16, patch_size=4, embed_dim=dim, depth=depth, num_heads=2, num_classes=CLASSES,
                              global_pool="avg", fc_norm=True, init_values=0.1)
    state = {}
    for name, value in weights.items():
        # Nothing reads the encoder's own norm.
        if name in ("norm.weight", "norm.bias"):
            continue
        name = name.replace("head.norm.", "fc_norm.").replace("head.classifier.", "head.")
        if name == "patch_embed.proj.weight":
            value = value.reshape(dim, 3, 4, 4)
        state[name] = value
    model.load_state_dict(state, strict=True)
    return model.double()


def losses(file):
    weights = {name.removeprefix("weight."): value.double() for name, value in file.items() if name.startswith("weight.")}
    model = encoder(weights)
    groups = param_groups_layer_decay(model, 0.05, no_weight_decay_list=model.no_weight_decay(), layer_decay=0.65)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8)
    targets = soft_targets(file["targets"].reshape(-1, 3))
    out = []
    for step, lr in enumerate(file["lr"].tolist()):
        for group in optimizer.param_groups:
            group["lr"] = lr * group["lr_scale"]
        loss = SoftTargetCrossEntropy()(model(file[f"batch.{step}"].double()), targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        out.append(loss.item())
    return out


def wave(shape, phase):
    count = int(np.prod(shape))
    return torch.tensor(np.sin(0.7 * np.arange(count) + phase).astype(np.float32)).double().reshape(shape)


def cross_entropy(file):
    logits = wave((4, 5), 0.3).requires_grad_()
    loss = SoftTargetCrossEntropy()(logits, soft_targets(file["targets"].reshape(-1, 3)))
    loss.backward()
    return [loss.item(), *logits.grad.ravel().tolist()]


def lars():
    """MAE, util/lars.py, step for step."""
    out = []
    for shape, decay in [((3, 4), 0.1), ((5,), 0.0)]:
        p, mu = wave(shape, 0.1), torch.zeros(shape)
        for step in (1, 2, 3):
            dp = wave(shape, float(step))
            if p.ndim > 1:
                dp = dp.add(p, alpha=decay)
                param_norm, update_norm = torch.norm(p), torch.norm(dp)
                one = torch.ones_like(param_norm)
                q = torch.where(param_norm > 0.0, torch.where(update_norm > 0, 0.001 * param_norm / update_norm, one), one)
                dp = dp.mul(q)
            mu.mul_(0.9).add_(dp)
            p = p.add(mu, alpha=-2.0)
        out += p.ravel().tolist()
    return out


if __name__ == "__main__":
    recorded = load_file(sys.argv[1])
    print(json.dumps({"losses": losses(recorded), "cross_entropy": cross_entropy(recorded), "lars": lars()}))
